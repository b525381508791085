"""What a residual quantiser yields, and the geometry that resolving collisions needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Quantised:
    """Vectors and the sums of centroids that stand for them; rows of codes may still be equal.

    Attributes:
        vectors: ``(N, D)`` float32.
        codes: ``(N, L)`` int32.
        codebooks: L arrays ``(C_l, D)`` float32; item i stands at the sum over the levels l of
            ``codebooks[l][codes[i, l]]``.
    """

    vectors: np.ndarray
    codes: np.ndarray
    codebooks: tuple[np.ndarray, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The codebook size of each level."""
        return tuple(len(book) for book in self.codebooks)

    def residual(self, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """``(R, D)``: what the first codes ``(R, l)`` leave unsaid of the items ``rows``."""
        left = self.vectors[rows]
        for level, column in enumerate(codes.T):
            left = left - self.codebooks[level][column]
        return left

    def error(self, codes: np.ndarray) -> float:
        """Mean squared distance of the items to where ``codes (N, L)`` put them."""
        left = self.residual(np.arange(len(codes)), codes)
        return float(np.square(left, dtype=np.float64).sum(axis=1).mean())


def distances(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """``(R, C)`` squared distances of points ``(R, D)`` to centroids ``(C, D)``, in float64."""
    points, codebook = points.astype(np.float64), codebook.astype(np.float64)
    squares = np.square(points).sum(axis=1)[:, None] + np.square(codebook).sum(axis=1)
    found: np.ndarray = np.maximum(squares - 2.0 * points @ codebook.T, 0.0)
    return found


def prefix_groups(codes: np.ndarray, level: int) -> np.ndarray:
    """``(N,)`` int64: a number for each item's first ``level`` codes, equal where they are equal.

    Numbers are dense and in lexicographic order of the prefixes.
    """
    groups = np.zeros(len(codes), dtype=np.int64)
    for column in codes[:, :level].T.astype(np.int64):
        # renumbered at each level, so the product cannot overflow however many levels there are
        _, groups = np.unique(groups * (column.max() + 1) + column, return_inverse=True)
    return groups


def rank_in_run(ordered: np.ndarray) -> np.ndarray:
    """``(R,)`` 0, 1, 2, ... within each run of equal values of a sorted array."""
    ranks: np.ndarray = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return ranks
