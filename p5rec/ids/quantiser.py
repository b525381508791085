"""What turns an item into codes, level by level, and can do so again for an item it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Interactions, Split

from .prefixes import by_group, prefix_groups

ROWS = 65_536  # looked at together, or learned from, where all would be too many


@dataclass(frozen=True, eq=False)
class ItemData:
    """What may be known of N items when their codes are made.

    Attributes:
        vectors: ``(N, D)`` float32; D is 0 where the recipe asks for none.
        catalog: their rows of the item table.
        interactions, split: the events; the training part alone is looked at.
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
    """The learned part of an id scheme.

    Attributes:
        kind: its name in ``p5rec.ids.config.QUANTISERS``.
        sizes: codes of each of the L levels.
    """

    kind: ClassVar[str]

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def see(self, items: ItemData) -> np.ndarray:
        """``(N, P)``: the items as points of the space in which codes are chosen."""
        ...

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """``(R, C_l)`` float64, what each code of level l costs points ``(R, P)`` that have the
        codes ``(R, l)`` before it; finite everywhere, least at the code of choice."""
        ...

    def reconstruct(self, codes: np.ndarray) -> np.ndarray | None:
        """``(R, D)``: the item vectors that codes ``(R, L)`` stand for; None where for none."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name that :meth:`restored` makes the same quantiser of."""
        ...

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Self: ...


@dataclass(frozen=True, eq=False)
class Coded:
    """Items and their codes as a scheme made them; rows may still be equal.

    Attributes:
        codes: ``(N, L)`` int32.
        quantiser: what made them.
        points: ``(N, P)`` where it saw the items.
        vectors: ``(N, D)`` the items' vectors.
    """

    codes: np.ndarray
    quantiser: Quantiser
    points: np.ndarray
    vectors: np.ndarray

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each level."""
        return self.quantiser.sizes


def code_all(quantiser: Quantiser, items: ItemData) -> Coded:
    """Every item under the codes of least cost, chosen level by level."""
    points = quantiser.see(items)
    codes = np.empty((len(items), len(quantiser.sizes)), dtype=np.int32)
    for start in range(0, len(items), ROWS):
        rows = slice(start, start + ROWS)
        for level in range(codes.shape[1]):
            costs = quantiser.costs(points[rows], codes[rows, :level])
            codes[rows, level] = costs.argmin(axis=1)
    return Coded(codes, quantiser, points, items.vectors)


def error(quantiser: Quantiser, codes: np.ndarray, vectors: np.ndarray) -> float | None:
    """Mean squared distance of ``vectors (N, D)`` to what ``codes (N, L)`` stand for."""
    total = 0.0
    for start in range(0, len(codes), ROWS):
        rows = slice(start, start + ROWS)
        found = quantiser.reconstruct(codes[rows])
        if found is None:
            return None
        total += float(np.square(vectors[rows] - found, dtype=np.float64).sum())
    return total / max(len(codes), 1)


def distances(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """``(R, C)`` squared distances of points ``(R, D)`` to centroids ``(C, D)``, in float64."""
    points, codebook = points.astype(np.float64), codebook.astype(np.float64)
    squares = np.square(points).sum(axis=1)[:, None] + np.square(codebook).sum(axis=1)
    found: np.ndarray = np.maximum(squares - 2.0 * points @ codebook.T, 0.0)
    return found


@dataclass(frozen=True, eq=False)
class Residual:
    """Each level codes what the levels before left unsaid.

    Attributes:
        codebooks: L arrays ``(C_l, D)`` float32; an item stands at the sum of its centroids.
    """

    codebooks: tuple[np.ndarray, ...]
    kind: ClassVar[str] = "residual"

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(book) for book in self.codebooks)

    def see(self, items: ItemData) -> np.ndarray:
        return items.vectors

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        left = points
        for level, column in enumerate(codes.T):
            left = left - self.codebooks[level][column]
        return distances(left, self.codebooks[codes.shape[1]])

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        found: np.ndarray = sum(
            (book[column] for book, column in zip(self.codebooks, codes.T, strict=True)),
            np.zeros((len(codes), self.codebooks[0].shape[1]), dtype=np.float32),
        )
        return found

    def state(self) -> dict[str, np.ndarray]:
        return {f"codebook {level}": book for level, book in enumerate(self.codebooks)}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Residual:
        return cls(tuple(state[f"codebook {level}"] for level in range(len(sizes))))


@dataclass(frozen=True, eq=False)
class Tree:
    """Each prefix has children of its own, each at the mean of the items below it.

    A code that no item of a prefix has stands where the prefix stands.

    Attributes:
        sizes: codes of each level.
        keys: one array a level, ``(M_l,)`` int64 ascending: the prefixes that occur, numbered as
            the digits of a number.
        centres: one array a level, ``(M_l, D)`` float32; level 0 here is the root.
    """

    sizes: tuple[int, ...]
    keys: tuple[np.ndarray, ...]
    centres: tuple[np.ndarray, ...]
    kind: ClassVar[str] = "tree"

    @classmethod
    def over(cls, codes: np.ndarray, sizes: tuple[int, ...], vectors: np.ndarray) -> Tree:
        """The tree of codes ``(N, L)`` of items at ``vectors (N, D)``."""
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

    def see(self, items: ItemData) -> np.ndarray:
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
        """``(size, D)``: where each code after ``prefix (l,)`` stands."""
        level = len(prefix)
        own = _key(prefix[None], self.sizes)[0]
        found = np.repeat(self._place(prefix)[None], size, axis=0)
        known = self.keys[level + 1]
        begin, end = np.searchsorted(known, [own * size, (own + 1) * size])
        found[known[begin:end] - own * size] = self.centres[level + 1][begin:end]
        return found

    def _place(self, prefix: np.ndarray) -> np.ndarray:
        """``(D,)``: where the longest known beginning of ``prefix`` stands."""
        place = self.centres[0][0]
        for level in range(1, len(prefix) + 1):
            key = _key(prefix[None, :level], self.sizes)[0]
            at = int(np.searchsorted(self.keys[level], key))
            if at == len(self.keys[level]) or self.keys[level][at] != key:
                break
            place = self.centres[level][at]
        return place

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        kinds, kind = np.unique(codes, axis=0, return_inverse=True)
        found: np.ndarray = np.stack([self._place(row) for row in kinds])[kind]
        return found

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
