"""How sure a number is: the percentile bootstrap over users, paired between methods.

Every measure here is a *statistic*: a function of row weights ``(R, B)`` that returns ``(R, M)``,
M numbers for each of R resamples. A resample draws users with replacement, so a row weighs as
often as its user was drawn. The draws depend on the seed and the set of users alone; two methods
measured on the same users are therefore resampled alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import derive_rng

RESAMPLES = 1000
LEVEL = 0.95
CELLS = 2**22  # weights held at a time: 32 MB

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds of its 95 % interval; NaN where nothing was measured."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    def difference(self) -> str:
        """The interval of a difference, in words: what may be claimed and no more."""
        if not self.excludes_zero:
            return f"no difference shown [{self.low:+.4f}, {self.high:+.4f}]"
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def ratio_of(part: np.ndarray, whole: np.ndarray) -> Statistic:
    """Weighted sum of ``part`` ``(B,)`` or ``(B, M)`` over that of ``whole`` ``(B,)``."""
    above = (part if part.ndim == 2 else part[:, None]).astype(np.float64)
    below = whole.astype(np.float64)[:, None]

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: np.ndarray = (weights @ above) / (weights @ below)
        return ratio

    return statistic


def mean_of(values: np.ndarray) -> Statistic:
    """Weighted mean of ``values``, ``(B,)`` or ``(B, M)``."""
    return ratio_of(values, np.ones(len(values)))


def bootstrap(statistic: Statistic, users: np.ndarray, *, seed: int) -> list[Interval]:
    """The M values of a statistic with their percentile intervals (Efron 1979).

    Args:
        statistic: row weights ``(R, B)`` to values ``(R, M)``.
        users: ``(B,)`` the user of each row; rows of one user are drawn together.
        seed: the run's seed.

    Returns:
        M intervals; resamples in which a number is undefined (NaN) are left out of its bounds.
    """
    units, unit = np.unique(users, return_inverse=True)
    values = statistic(np.ones((1, len(users))))[0]
    if not len(units):
        return [Interval(np.nan, np.nan, np.nan)] * len(values)
    rng = derive_rng(seed, "bootstrap")
    even = np.full(len(units), 1 / len(units))
    step = max(1, CELLS // len(users))
    sizes = [min(step, RESAMPLES - done) for done in range(0, RESAMPLES, step)]
    spread = np.concatenate(
        [statistic(rng.multinomial(len(units), even, n)[:, unit].astype(float)) for n in sizes]
    )
    return [_interval(value, drawn) for value, drawn in zip(values, spread.T, strict=True)]


def _interval(value: float, drawn: np.ndarray) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Interval(float(value), np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def mean_intervals(
    columns: Mapping[str, np.ndarray], users: np.ndarray, *, seed: int
) -> dict[str, Interval]:
    """The mean of each ``(B,)`` column over rows of ``users`` ``(B,)``, with its interval."""
    found = bootstrap(mean_of(np.stack(list(columns.values()), axis=1)), users, seed=seed)
    return dict(zip(columns, found, strict=True))


def paired(a: Statistic, b: Statistic, users: np.ndarray, *, seed: int) -> list[Interval]:
    """The M differences ``a - b`` of two methods on the same rows, each resample shared."""
    return bootstrap(lambda weights: a(weights) - b(weights), users, seed=seed)


def paired_means(a: np.ndarray, b: np.ndarray, users: np.ndarray, *, seed: int) -> Interval:
    """The difference of the means of ``a`` and ``b``, both ``(B,)`` over the same rows."""
    return bootstrap(mean_of(a.astype(np.float64) - b), users, seed=seed)[0]
