"""Product quantisation: each level codes one subvector, independently of the other levels.

Jégou et al. 2011 (*Product quantization for nearest neighbor search*); the rotation that
spreads variance over the subvectors follows Ge et al. 2013 (*Optimized product quantization*,
section 3.1). RPG (Hou et al. 2025) uses it for long item ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_rng, derive_seed

from .clusters import cluster, refined, sampled
from .config import IdsConfig
from .quantiser import CHUNK, Coded, ItemData, code_all, distances
from .rqkmeans import enough

ROUNDS = 8  # alternating fits of codebooks and rotation
STEPS = 4  # k-means iterations of a round after the first, from the codebooks of the round before


@dataclass(frozen=True, eq=False)
class Product:
    """One codebook per subvector of the rotated vector.

    Attributes:
        rotation: ``(D, D)`` orthogonal; applied as ``x @ rotation``.
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
        """The first column of each level's subvector, and the end of the last one."""
        return [0, *np.cumsum([book.shape[1] for book in self.codebooks]).tolist()]

    def embed(self, items: ItemData) -> np.ndarray:
        rotated: np.ndarray = items.vectors @ self.rotation
        return rotated

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        level = codes.shape[1]
        begin, end = self.starts[level : level + 2]
        return distances(points[:, begin:end], self.codebooks[level])

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        centroids = [book[column] for book, column in zip(self.codebooks, codes.T, strict=True)]
        vectors: np.ndarray = np.concatenate(centroids, axis=1) @ self.rotation.T
        return vectors

    def state(self) -> dict[str, np.ndarray]:
        books = {f"codebook {level}": book for level, book in enumerate(self.codebooks)}
        return {"rotation": self.rotation, **books}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Product:
        books = tuple(state[f"codebook {level}"] for level in range(len(sizes)))
        return cls(state["rotation"], books)


def plain(config: IdsConfig, items: ItemData) -> Coded:
    """Product quantisation without rotation."""
    return _fit(config, items, 0)


def rotated(config: IdsConfig, items: ItemData) -> Coded:
    """Optimised product quantisation: codebooks and rotation are fitted alternately."""
    return _fit(config, items, ROUNDS)


def _fit(config: IdsConfig, items: ItemData, rounds: int) -> Coded:
    enough(len(items), config.sizes)
    width = items.vectors.shape[1]
    if width < config.levels:
        raise input_error(
            "ids.levels", f"at most {width}, the width of the vectors", str(config.levels),
            "lower it or make the vectors wider",
        )  # fmt: skip
    points = sampled(items.vectors, CHUNK, derive_rng(config.seed, "ids", "product sample"))
    with threadpool_limits(1):
        rotation = _principal(points, config.levels) if rounds else np.eye(width, dtype=np.float32)
        books = _codebooks(points @ rotation, config)
        for _ in range(rounds):
            centroids = _nearest(points @ rotation, books)
            left, _, right = np.linalg.svd(points.T @ centroids)  # orthogonal Procrustes
            rotation = (left @ right).astype(np.float32)
            books = _refined(points @ rotation, books)
        return code_all(Product(rotation, books), items)


def _principal(points: np.ndarray, levels: int) -> np.ndarray:
    """``(D, D)``: principal axes, assigned to the subvectors in turn to balance variance."""
    _, ascending = np.linalg.eigh(np.cov(points.T.astype(np.float64)))
    axes = ascending.T[::-1]
    order = np.argsort(np.arange(len(axes)) % levels, kind="stable")
    rotation: np.ndarray = axes[order].T.astype(np.float32)
    return rotation


def _subvectors(points: np.ndarray, levels: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(each) for each in np.array_split(points, levels, axis=1)]


def _codebooks(points: np.ndarray, config: IdsConfig) -> tuple[np.ndarray, ...]:
    return tuple(
        cluster(own, size, derive_seed(config.seed, "ids", "product", level, 0) % 2**32)[1]
        for level, (own, size) in enumerate(
            zip(_subvectors(points, config.levels), config.sizes, strict=True)
        )
    )


def _refined(points: np.ndarray, books: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    subvectors = _subvectors(points, len(books))
    return tuple(refined(own, book, STEPS) for own, book in zip(subvectors, books, strict=True))


def _nearest(points: np.ndarray, books: tuple[np.ndarray, ...]) -> np.ndarray:
    subvectors = _subvectors(points, len(books))
    centroids = [
        book[distances(own, book).argmin(axis=1)]
        for own, book in zip(subvectors, books, strict=True)
    ]
    return np.concatenate(centroids, axis=1)
