"""How sure a number is: the bootstrap over users, paired between methods.

Every measure here is a *statistic*: a function of row weights ``(R, B)`` that returns ``(R, M)``,
M numbers for each of R resamples. A resample draws users with replacement, so a row weighs as
often as its user was drawn. The draws depend on the seed and the set of users alone; two methods
measured on the same users are therefore resampled alike.

The interval of a difference is the percentile interval (Efron 1979). That of a value reaches
further where few users carry the variance (Hesterberg 2015's expanded percentile interval, with
the degrees of freedom that the users' contributions leave); where one user in fifty is hit, the
plain one holds the truth too seldom. ``scripts/bench_intervals.py`` measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from p5rec.core.rng import derive_rng

RESAMPLES = 1000
LEVEL = 0.95
CELLS = 2**22  # weights held at a time: 32 MB
GROUPS = 500  # of users, left out one after the other
ROUNDING = 1e-12  # differences below it are 0: the same sums in another order

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds of its 95 % interval; NaN where nothing was measured."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """One method less another.

    Attributes:
        p: two-sided p-value of "no difference": twice the share of resamples on the far side of
            0, the measured sample counted as one of them, so that it is never 0 (Davison and
            Hinkley 1997, section 4.2). It is at most .05 where the interval excludes 0, and
            nowhere else. NaN where nothing was measured.
    """

    p: float


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
    """The M values of a statistic with their expanded percentile intervals.

    Args:
        statistic: row weights ``(R, B)`` to values ``(R, M)``.
        users: ``(B,)`` the user of each row; rows of one user are drawn together.
        seed: the run's seed.

    Returns:
        M intervals; resamples in which a number is undefined (NaN) are left out of its bounds.
    """
    values = _measured(statistic, users)
    if not len(users):
        return [Interval(np.nan, np.nan, np.nan)] * len(values)
    units = np.unique(users, return_inverse=True)[1]
    spread = _over(statistic, _resamples(units, RESAMPLES, seed))
    beyond = ndtr(-stdtrit(_freedom(_over(statistic, _left_out(units))), (1 + LEVEL) / 2))
    return [
        Interval(value, *_bounds(drawn, tail))
        for value, drawn, tail in zip(values, spread.T, beyond.tolist(), strict=True)
    ]


def paired(
    a: Statistic, b: Statistic, users: np.ndarray, *, seed: int, resamples: int = RESAMPLES
) -> list[Difference]:
    """The M differences ``a - b`` of two methods on the same rows, each resample shared.

    Args:
        a, b: row weights ``(R, B)`` to values ``(R, M)``.
        users: ``(B,)`` the user of each row; rows of one user are drawn together.
        seed: the run's seed.
        resamples: how many; the smallest p-value there can be is ``2 / (resamples + 1)``.
    """

    def difference(weights: np.ndarray) -> np.ndarray:
        gap = a(weights) - b(weights)
        gap[np.abs(gap) < ROUNDING] = 0
        return gap

    values = _measured(difference, users)
    if not len(users):
        return [Difference(np.nan, np.nan, np.nan, np.nan)] * len(values)
    units = np.unique(users, return_inverse=True)[1]
    spread = _over(difference, _resamples(units, resamples, seed))
    return [
        Difference(value, *_bounds(drawn, (1 - LEVEL) / 2), _p_value(drawn))
        for value, drawn in zip(values, spread.T, strict=True)
    ]


def _measured(statistic: Statistic, users: np.ndarray) -> list[float]:
    values: list[float] = statistic(np.ones((1, len(users))))[0].tolist()
    return values


def _over(statistic: Statistic, weights: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate([statistic(rows) for rows in weights])


def _resamples(units: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    """Weights ``(R, B)`` of ``n`` resamples, some at a time; ``units`` numbers users from 0."""
    users = int(units.max()) + 1
    rng, even = derive_rng(seed, "bootstrap"), np.full(users, 1 / users)
    step = max(1, CELLS // len(units))
    for done in range(0, n, step):
        yield rng.multinomial(users, even, min(step, n - done))[:, units].astype(np.float64)


def _left_out(units: np.ndarray) -> Iterator[np.ndarray]:
    """Weights ``(R, B)`` that leave out one user after the other, of many users in groups."""
    group = units % GROUPS
    step = max(1, CELLS // len(units))
    for first in range(0, int(group.max()) + 1, step):
        numbers = np.arange(first, min(first + step, int(group.max()) + 1))
        yield (group != numbers[:, None]).astype(np.float64)


def _freedom(left_out: np.ndarray) -> np.ndarray:
    """Degrees of freedom ``(M,)`` of the variance, from the values ``(G, M)`` without each group.

    The variance of the squared contributions tells how well a variance is known (Satterthwaite's
    matching). For a share it comes to about twice the number of hits.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(left_out, axis=0) / (~np.isnan(left_out)).sum(axis=0)
        squares = np.square(left_out - mean)
        total = np.nansum(squares, axis=0)
        uneven = np.nansum(squares**2, axis=0) / total**2 - 1 / len(left_out)
        freedom: np.ndarray = 2 / np.maximum(uneven, np.finfo(float).tiny)
    return np.where(total > 0, freedom, np.inf)


def _bounds(drawn: np.ndarray, tail: float) -> tuple[float, float]:
    """The draws ``(R,)`` beyond which a share ``tail`` of a fair sample's would lie on each side.

    The r-th smallest of R draws stands for the share ``r / (R + 1)``, as in the p-value.
    """
    ordered = np.sort(drawn[~np.isnan(drawn)])
    if not len(ordered):
        return np.nan, np.nan
    rank = max(1, int((len(ordered) + 1) * tail + 1e-9))
    return float(ordered[rank - 1]), float(ordered[-rank])


def _p_value(drawn: np.ndarray) -> float:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return np.nan
    far = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (far + 1) / (len(known) + 1))
