"""Quantisers: code items level by level, including items outside the fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log2, prod
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Interactions, Split

from .prefixes import by_group, prefix_groups

CHUNK = 65_536  # items per batch, and the largest training sample of some schemes


@dataclass(frozen=True, eq=False)
class ItemData:
    """The input of an id scheme for N items.

    Attributes:
        vectors: ``(N, D)`` float32; D is 0 without vectors in the recipe.
        catalog: the item table of these items.
        interactions, split: the events and their split; schemes use training events alone.
    """

    vectors: np.ndarray
    catalog: Catalog
    interactions: Interactions
    split: Split

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def keys(self) -> np.ndarray:
        """``(N,)`` uint64, the keys of their external ids."""
        return id_keys(self.catalog.ids)


class Quantiser(Protocol):
    """The learned mapping of an id scheme from items to codes.

    Attributes:
        kind: its name in ``p5rec.ids.config.QUANTISERS``.
        sizes: codes per level, L integers.
    """

    kind: ClassVar[str]

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def embed(self, items: ItemData) -> np.ndarray:
        """``(N, P)``: the items as points in the space of the codebooks."""
        ...

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """``(R, C_l)`` float64: cost of each code of level l for points ``(R, P)`` with the
        prefixes ``(R, l)``; finite everywhere, lowest at the best code."""
        ...

    def reconstruct(self, codes: np.ndarray) -> np.ndarray | None:
        """``(R, D)``: the item vectors that codes ``(R, L)`` represent; None if there are none."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """The state as named arrays, for :meth:`restored`."""
        ...

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Self: ...


@dataclass(frozen=True, eq=False)
class Coded:
    """Items with the codes of an id scheme, before collision resolution.

    Attributes:
        codes: ``(N, L)`` int32; items may share codes.
        quantiser: the quantiser of the codes.
        points: ``(N, P)`` the items as points of the quantiser.
        vectors: ``(N, D)`` the item vectors.
    """

    codes: np.ndarray
    quantiser: Quantiser
    points: np.ndarray
    vectors: np.ndarray

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.quantiser.sizes


def code_all(quantiser: Quantiser, items: ItemData) -> Coded:
    """Codes all items greedily: the code of least cost at each level."""
    points = quantiser.embed(items)
    codes = np.empty((len(items), len(quantiser.sizes)), dtype=np.int32)
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        for level in range(codes.shape[1]):
            costs = quantiser.costs(points[rows], codes[rows, :level])
            codes[rows, level] = costs.argmin(axis=1)
    return Coded(codes, quantiser, points, items.vectors)


def error(quantiser: Quantiser, codes: np.ndarray, vectors: np.ndarray) -> float | None:
    """Mean squared distance of ``vectors (N, D)`` to the reconstructions of ``codes (N, L)``."""
    total = 0.0
    for start in range(0, len(codes), CHUNK):
        rows = slice(start, start + CHUNK)
        reconstructed = quantiser.reconstruct(codes[rows])
        if reconstructed is None:
            return None
        total += float(np.square(vectors[rows] - reconstructed, dtype=np.float64).sum())
    return total / max(len(codes), 1)


def distances(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """``(R, C)`` squared distances of points ``(R, D)`` to centroids ``(C, D)``, in float64."""
    points, codebook = points.astype(np.float64), codebook.astype(np.float64)
    squares = np.square(points).sum(axis=1)[:, None] + np.square(codebook).sum(axis=1)
    squared: np.ndarray = np.maximum(squares - 2.0 * points @ codebook.T, 0.0)
    return squared


@dataclass(frozen=True, eq=False)
class Residual:
    """Residual quantiser: each level codes the residual of the levels before.

    Attributes:
        codebooks: L arrays ``(C_l, D)`` float32; an item is the sum of its centroids.
    """

    codebooks: tuple[np.ndarray, ...]
    kind: ClassVar[str] = "residual"

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(book) for book in self.codebooks)

    def embed(self, items: ItemData) -> np.ndarray:
        return items.vectors

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        left = points
        for level, column in enumerate(codes.T):
            left = left - self.codebooks[level][column]
        return distances(left, self.codebooks[codes.shape[1]])

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = sum(
            (book[column] for book, column in zip(self.codebooks, codes.T, strict=True)),
            np.zeros((len(codes), self.codebooks[0].shape[1]), dtype=np.float32),
        )
        return vectors

    def state(self) -> dict[str, np.ndarray]:
        return {f"codebook {level}": book for level, book in enumerate(self.codebooks)}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Residual:
        return cls(tuple(state[f"codebook {level}"] for level in range(len(sizes))))


@dataclass(frozen=True, eq=False)
class Tree:
    """Tree quantiser: each prefix has child centroids of its own, at the means of their items.

    A code without items has the centroid of its prefix.

    Attributes:
        sizes: codes per level.
        keys: one array per level, ``(M_l,)`` int64 ascending: the prefixes with items, each as a
            number whose digits are the codes.
        centres: one array per level, ``(M_l, D)`` float32; level 0 is the root.
    """

    sizes: tuple[int, ...]
    keys: tuple[np.ndarray, ...]
    centres: tuple[np.ndarray, ...]
    kind: ClassVar[str] = "tree"

    @classmethod
    def over(cls, codes: np.ndarray, sizes: tuple[int, ...], vectors: np.ndarray) -> Tree:
        """The tree of codes ``(N, L)`` of items at ``vectors (N, D)``.

        Raises:
            UserError: the sizes have more code tuples than can be numbered.
        """
        if prod(sizes) > 2**62:
            raise input_error(
                "ids", "at most 2^62 code tuples of a tree", f"2^{log2(prod(sizes)):.0f}",
                "lower levels or codebook, or take rq-kmeans or opq",
            )  # fmt: skip
        keys, centres = [np.zeros(1, np.int64)], [vectors.mean(axis=0, keepdims=True)]
        for level in range(len(sizes)):
            groups = prefix_groups(codes, level + 1)
            _, first = np.unique(groups, return_index=True)
            order = np.argsort(groups, kind="stable")
            starts = np.searchsorted(groups[order], np.arange(len(first)))
            sums = np.add.reduceat(vectors[order], starts, axis=0)
            keys.append(_key(codes[first, : level + 1], sizes))
            centres.append((sums / np.bincount(groups)[:, None]).astype(np.float32))
        return cls(sizes, tuple(keys), tuple(centres))

    def embed(self, items: ItemData) -> np.ndarray:
        return items.vectors

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        level = codes.shape[1]
        size = self.sizes[level]
        groups = prefix_groups(codes, level)
        out = np.empty((len(points), size))
        for rows in by_group(groups, np.arange(len(groups))):
            out[rows] = distances(points[rows], self._children(codes[rows[0]], size))
        return out

    def _children(self, prefix: np.ndarray, size: int) -> np.ndarray:
        """``(size, D)``: the centroid of each code after ``prefix (l,)``."""
        level = len(prefix)
        own = _key(prefix[None], self.sizes)[0]
        centres = np.repeat(self._centre(prefix)[None], size, axis=0)
        known = self.keys[level + 1]
        begin, end = np.searchsorted(known, [own * size, (own + 1) * size])
        centres[known[begin:end] - own * size] = self.centres[level + 1][begin:end]
        return centres

    def _centre(self, prefix: np.ndarray) -> np.ndarray:
        """``(D,)``: the centroid of the longest part of ``prefix`` with items."""
        centre = self.centres[0][0]
        for level in range(1, len(prefix) + 1):
            key = _key(prefix[None, :level], self.sizes)[0]
            at = int(np.searchsorted(self.keys[level], key))
            if at == len(self.keys[level]) or self.keys[level][at] != key:
                break
            centre = self.centres[level][at]
        return centre

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        kinds, kind = np.unique(codes, axis=0, return_inverse=True)
        vectors: np.ndarray = np.stack([self._centre(row) for row in kinds])[kind]
        return vectors

    def state(self) -> dict[str, np.ndarray]:
        named: dict[str, Any] = {}
        for level, (keys, centres) in enumerate(zip(self.keys, self.centres, strict=True)):
            named |= {f"keys {level}": keys, f"centres {level}": centres}
        return named

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Tree:
        levels = range(len(sizes) + 1)
        return cls(
            sizes,
            tuple(state[f"keys {level}"] for level in levels),
            tuple(state[f"centres {level}"] for level in levels),
        )


def _key(codes: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Prefixes ``(R, l)`` as numbers ``(R,)`` int64 whose digits are the codes."""
    key = np.zeros(len(codes), dtype=np.int64)
    for column, size in zip(codes.T, sizes, strict=False):
        key = key * size + column
    return key
