"""Intervals of means and of differences of means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from p5rec.metrics.intervals import Difference, Interval, bootstrap, mean_of, paired


def mean_intervals(
    columns: Mapping[str, np.ndarray], users: np.ndarray, *, seed: int
) -> dict[str, Interval]:
    """The mean of each ``(B,)`` column over instances of ``users (B,)``, with its interval."""
    intervals = bootstrap(mean_of(np.stack(list(columns.values()), axis=1)), users, seed=seed)
    return dict(zip(columns, intervals, strict=True))


def paired_means(a: np.ndarray, b: np.ndarray, users: np.ndarray, *, seed: int) -> Difference:
    """The difference of the means of ``a`` and ``b``, both ``(B,)`` over the same instances."""
    return paired(mean_of(a), mean_of(b), users, seed=seed)[0]


def excludes_zero(interval: Interval) -> bool:
    """Whether the interval excludes 0."""
    return interval.low > 0 or interval.high < 0
