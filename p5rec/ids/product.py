"""Product quantisation: each level codes a part of the vector, and none depends on another.

Jégou et al. 2011 (*Product quantization for nearest neighbor search*); the rotation that spreads
what is to be coded over the parts is that of Ge et al. 2013 (*Optimized product quantization*,
section 3.1). RPG (Hou et al. 2025) makes long item ids of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_rng, derive_seed

from .clusters import cluster, sampled
from .config import IdsConfig
from .quantiser import ROWS, Coded, ItemData, code_all, distances
from .rqkmeans import enough

ROUNDS = 8  # of fitting codebooks and rotation in turn


@dataclass(frozen=True, eq=False)
class Product:
    """One codebook a part of the rotated vector.

    Attributes:
        rotation: ``(D, D)`` orthogonal; rows are turned by ``x @ rotation``.
        codebooks: L arrays ``(C_l, D_l)`` whose widths add up to D.
    """

    rotation: np.ndarray
    codebooks: tuple[np.ndarray, ...]
    kind: ClassVar[str] = "product"

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(book) for book in self.codebooks)

    @property
    def starts(self) -> list[int]:
        """Where each level's part begins, and where the last one ends."""
        return [0, *np.cumsum([book.shape[1] for book in self.codebooks]).tolist()]

    def see(self, items: ItemData) -> np.ndarray:
        turned: np.ndarray = items.vectors @ self.rotation
        return turned

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        level = codes.shape[1]
        begin, end = self.starts[level : level + 2]
        return distances(points[:, begin:end], self.codebooks[level])

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        parts = [book[column] for book, column in zip(self.codebooks, codes.T, strict=True)]
        back: np.ndarray = np.concatenate(parts, axis=1) @ self.rotation.T
        return back

    def state(self) -> dict[str, np.ndarray]:
        books = {f"codebook {level}": book for level, book in enumerate(self.codebooks)}
        return {"rotation": self.rotation, **books}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Product:
        books = tuple(state[f"codebook {level}"] for level in range(len(sizes)))
        return cls(state["rotation"], books)


def plain(config: IdsConfig, items: ItemData) -> Coded:
    """Product quantisation of the vectors as they are."""
    return _fitted(config, items, 0)


def rotated(config: IdsConfig, items: ItemData) -> Coded:
    """Optimised product quantisation: codebooks and rotation fitted in turn."""
    return _fitted(config, items, ROUNDS)


def _fitted(config: IdsConfig, items: ItemData, rounds: int) -> Coded:
    enough(len(items), config.sizes)
    width = items.vectors.shape[1]
    if width < config.levels:
        raise input_error(
            "ids.levels", f"at most {width}, the width of the vectors", str(config.levels),
            "lower it or make the vectors wider",
        )  # fmt: skip
    points = sampled(items.vectors, ROWS, derive_rng(config.seed, "ids", "product sample"))
    rotation = _principal(points, config.levels) if rounds else np.eye(width, dtype=np.float32)
    with threadpool_limits(1):
        books = _codebooks(points @ rotation, config, 0)
        for nth in range(1, rounds + 1):
            said = _nearest(points @ rotation, books)
            left, _, right = np.linalg.svd(points.T @ said)  # orthogonal Procrustes
            rotation = (left @ right).astype(np.float32)
            books = _codebooks(points @ rotation, config, nth)
        return code_all(Product(rotation, books), items)


def _principal(points: np.ndarray, levels: int) -> np.ndarray:
    """``(D, D)``: principal axes, dealt out in turn so that the parts hold alike."""
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)
    order = np.argsort(np.arange(len(axes)) % levels, kind="stable")
    dealt: np.ndarray = axes[order].T.astype(np.float32)
    return dealt


def _parts(points: np.ndarray, levels: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(part) for part in np.array_split(points, levels, axis=1)]


def _codebooks(points: np.ndarray, config: IdsConfig, nth: int) -> tuple[np.ndarray, ...]:
    return tuple(
        cluster(part, size, derive_seed(config.seed, "ids", "product", level, nth) % 2**32)[1]
        for level, (part, size) in enumerate(
            zip(_parts(points, config.levels), config.sizes, strict=True)
        )
    )


def _nearest(points: np.ndarray, books: tuple[np.ndarray, ...]) -> np.ndarray:
    parts = _parts(points, len(books))
    said = [
        book[distances(part, book).argmin(axis=1)] for part, book in zip(parts, books, strict=True)
    ]
    return np.concatenate(said, axis=1)
