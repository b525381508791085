"""Groups items by prefixes of their codes."""

from __future__ import annotations

import numpy as np


def prefix_groups(codes: np.ndarray, level: int) -> np.ndarray:
    """``(N,)`` int64: the number of each item's prefix of ``level`` codes.

    Numbers are consecutive and follow the lexicographic order of the prefixes.
    """
    groups = np.zeros(len(codes), dtype=np.int64)
    for column in codes[:, :level].T.astype(np.int64):
        # renumbered at each level, so the product cannot overflow with any number of levels
        _, groups = np.unique(groups * (column.max(initial=0) + 1) + column, return_inverse=True)
    return groups


def by_group(groups: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """The rows ``order (R,)`` split by group, in ascending order of groups."""
    rows = order[np.argsort(groups[order], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1) if len(rows) else []


def rank_in_run(ordered: np.ndarray) -> np.ndarray:
    """``(R,)`` 0, 1, 2, ... within each run of equal values of a sorted array."""
    ranks: np.ndarray = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return ranks


def sharing(codes: np.ndarray) -> int:
    """The number of items ``(N, L)`` that share their codes with another item."""
    counts = np.bincount(prefix_groups(codes, codes.shape[1]))
    return int(counts[counts > 1].sum())
