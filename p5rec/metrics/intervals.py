"""Bootstrap confidence intervals over users, paired between methods.

Every metric is a :class:`Statistic`: from the weights of B test instances in each of R resamples to
``(R, M)``, M values for each resample. A resample draws users with replacement; the weight of a
test instance is the number of times its user was drawn. So a statistic may sum the instances of
each of U users once for all resamples. The draws depend only on the seed and the set of users, so
two methods evaluated on the same users share their resamples.

The interval of a difference is the percentile interval (Efron 1979). The interval of a value is the
expanded percentile interval (Hesterberg 2015), with degrees of freedom estimated from the users'
contributions. It is wider if few users carry the variance: if one user in fifty has a hit, the
plain interval covers the true value too rarely. ``scripts/bench_intervals.py`` measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from p5rec.core.rng import derive_rng

RESAMPLES = 1000
LEVEL = 0.95
CELLS = 2**22  # weights in memory at a time: 32 MB
GROUPS = 500  # groups of users in the jackknife
ROUNDING = 1e-12  # smaller differences are rounding errors and count as 0

Evaluate = Callable[[np.ndarray], np.ndarray]  # weights (R, U) → values (R, M)


@dataclass(frozen=True)
class Statistic:
    """M values of B test instances as a function of the weights of the instances.

    Attributes:
        of_units: the unit of each instance ``(B,)``, numbered from 0 → the function from the
            weights of the units ``(R, U)`` to values ``(R, M)``. An instance has the weight of its
            unit.
    """

    of_units: Callable[[np.ndarray], Evaluate]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """The values ``(R, M)`` under instance weights ``(R, B)``."""
        return self.of_units(np.arange(weights.shape[1]))(weights)

    def then(self, change: Callable[[np.ndarray], np.ndarray]) -> Statistic:
        """The statistic with ``change`` applied to its values ``(R, M)``."""

        def of_units(units: np.ndarray) -> Evaluate:
            evaluate = self.of_units(units)
            return lambda weights: change(evaluate(weights))

        return Statistic(of_units)


def of_instances(evaluate: Evaluate) -> Statistic:
    """The statistic of a function from instance weights ``(R, B)`` to values ``(R, M)``."""
    return Statistic(lambda units: lambda weights: evaluate(weights[:, units]))


def combined(
    statistics: Sequence[Statistic], combine: Callable[[Sequence[np.ndarray]], np.ndarray]
) -> Statistic:
    """One statistic whose values ``combine`` computes from those of several."""

    def of_units(units: np.ndarray) -> Evaluate:
        each = [statistic.of_units(units) for statistic in statistics]
        return lambda weights: combine([evaluate(weights) for evaluate in each])

    return Statistic(of_units)


def joined(*statistics: Statistic) -> Statistic:
    """The values of several statistics side by side."""
    return combined(statistics, lambda values: np.concatenate(values, axis=1))


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its 95 % interval; NaN without test instances."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """The difference of two methods, first minus second.

    Attributes:
        p: two-sided p-value of "no difference": twice the share of resamples on the other side of
            0. The observed sample counts as one of them, so p is never 0 (Davison and Hinkley 1997,
            section 4.2). It is at most .05 if and only if the interval excludes 0. NaN without test
            instances.
    """

    p: float


def ratio_of(numerator: np.ndarray, denominator: np.ndarray) -> Statistic:
    """The ratio of weighted sums of ``numerator`` ``(B,)`` or ``(B, M)`` and ``denominator``
    ``(B,)``."""
    above = (numerator if numerator.ndim == 2 else numerator[:, None]).astype(np.float64)
    total = denominator.astype(np.float64)

    def of_units(units: np.ndarray) -> Evaluate:
        count = int(units.max(initial=-1)) + 1
        sums = np.stack([np.bincount(units, column, count) for column in above.T], axis=1)
        totals = np.bincount(units, total, count)[:, None]

        def evaluate(weights: np.ndarray) -> np.ndarray:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio: np.ndarray = (weights @ sums) / (weights @ totals)
            return ratio

        return evaluate

    return Statistic(of_units)


def mean_of(values: np.ndarray) -> Statistic:
    """The weighted mean of ``values``, ``(B,)`` or ``(B, M)``."""
    return ratio_of(values, np.ones(len(values)))


def bootstrap(statistic: Statistic, users: np.ndarray, *, seed: int) -> list[Interval]:
    """The M values of a statistic with their expanded percentile intervals.

    Args:
        statistic: of M values.
        users: ``(B,)`` the user of each instance; instances of one user are resampled together.
        seed: the run's seed.

    Returns:
        M intervals; the bounds ignore resamples in which the value is undefined (NaN).
    """
    values = _measured(statistic, users)
    if not len(users):
        return [Interval(np.nan, np.nan, np.nan)] * len(values)
    units = np.unique(users, return_inverse=True)[1]
    evaluate = statistic.of_units(units)
    spread = _over(evaluate, _resamples(units, RESAMPLES, seed))
    beyond = ndtr(-stdtrit(_freedom(_over(evaluate, _left_out(units))), (1 + LEVEL) / 2))
    return [
        Interval(value, *_bounds(resampled, tail))
        for value, resampled, tail in zip(values, spread.T, beyond.tolist(), strict=True)
    ]


def paired(
    a: Statistic, b: Statistic, users: np.ndarray, *, seed: int, resamples: int = RESAMPLES
) -> list[Difference]:
    """The M differences ``a - b`` of two methods on the same test instances and resamples.

    Args:
        a, b: of M values each.
        users: ``(B,)`` the user of each instance; instances of one user are resampled together.
        seed: the run's seed.
        resamples: the number of resamples; the smallest possible p-value is
            ``2 / (resamples + 1)``.
    """
    difference = combined([a, b], _gap)
    values = _measured(difference, users)
    if not len(users):
        return [Difference(np.nan, np.nan, np.nan, np.nan)] * len(values)
    spread = _spread(difference, users, resamples, seed)
    return [
        Difference(value, *_bounds(resampled, (1 - LEVEL) / 2), _p_value(resampled))
        for value, resampled in zip(values, spread.T, strict=True)
    ]


def paired_error(a: Statistic, b: Statistic, users: np.ndarray, *, seed: int) -> float:
    """The standard error of the difference of two methods; NaN without test instances.

    Args:
        a, b: of one value each.
        users: ``(B,)`` the user of each instance; instances of one user are resampled together.
        seed: the run's seed.
    """
    if not len(users):
        return float("nan")
    spread = _spread(combined([a, b], _gap), users, RESAMPLES, seed)[:, 0]
    known = spread[~np.isnan(spread)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def _spread(statistic: Statistic, users: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The values ``(resamples, M)`` of a statistic in resamples of the users."""
    units = np.unique(users, return_inverse=True)[1]
    return _over(statistic.of_units(units), _resamples(units, resamples, seed))


def _gap(values: Sequence[np.ndarray]) -> np.ndarray:
    gap: np.ndarray = values[0] - values[1]
    gap[np.abs(gap) < ROUNDING] = 0
    return gap


def _measured(statistic: Statistic, users: np.ndarray) -> list[float]:
    values: list[float] = statistic(np.ones((1, len(users))))[0].tolist()
    return values


def _over(evaluate: Evaluate, weights: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate([evaluate(rows) for rows in weights])


def _resamples(units: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    """Weights ``(R, U)`` of ``n`` resamples, in blocks.

    Args:
        units: ``(B,)`` the user of each instance, numbered from 0.
        n: the number of resamples.
        seed: of the draws.
    """
    users = int(units.max()) + 1
    rng, even = derive_rng(seed, "bootstrap"), np.full(users, 1 / users)
    step = max(1, CELLS // len(units))
    for done in range(0, n, step):
        yield rng.multinomial(users, even, min(step, n - done)).astype(np.float64)


def _left_out(units: np.ndarray) -> Iterator[np.ndarray]:
    """Jackknife weights ``(R, U)``: each leaves out one user, or one group of many users."""
    group = np.arange(int(units.max()) + 1) % GROUPS
    step = max(1, CELLS // len(units))
    for first in range(0, int(group.max()) + 1, step):
        numbers = np.arange(first, min(first + step, int(group.max()) + 1))
        yield (group != numbers[:, None]).astype(np.float64)


def _freedom(left_out: np.ndarray) -> np.ndarray:
    """Degrees of freedom ``(M,)`` of the variance, from the jackknife values ``(G, M)``.

    They follow from the variance of the squared contributions (Satterthwaite's method). For a rate
    they are about twice the number of hits.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(left_out, axis=0) / (~np.isnan(left_out)).sum(axis=0)
        squares = np.square(left_out - mean)
        total = np.nansum(squares, axis=0)
        uneven = np.nansum(squares**2, axis=0) / total**2 - 1 / len(left_out)
        freedom: np.ndarray = 2 / np.maximum(uneven, np.finfo(float).tiny)
    return np.where(total > 0, freedom, np.inf)


def _bounds(resampled: np.ndarray, tail: float) -> tuple[float, float]:
    """The quantiles ``tail`` and ``1 - tail`` of the resampled values ``(R,)``.

    The r-th smallest of R values is the quantile ``r / (R + 1)``, as in the p-value.
    """
    ordered = np.sort(resampled[~np.isnan(resampled)])
    if not len(ordered):
        return np.nan, np.nan
    rank = max(1, int((len(ordered) + 1) * tail + 1e-9))
    return float(ordered[rank - 1]), float(ordered[-rank])


def _p_value(resampled: np.ndarray) -> float:
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return np.nan
    beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(known) + 1))
