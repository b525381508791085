"""Two methods on the same cases: by how much they differ, and what may be claimed of it."""

from __future__ import annotations

import numpy as np

from p5rec.metrics.intervals import Interval, paired

from .blocks import LOWER_IS_BETTER
from .measure import Measured
from .schema import Comparison


def compare(a: Measured, b: Measured, metric: str, seed: int) -> Comparison:
    """The difference ``a - b`` with its interval, from a bootstrap that both share.

    Args:
        a, b: measured on the same task, part and users, in the same order.
        metric: one that both have, e.g. ``HR@10``.
        seed: of the bootstrap.

    Raises:
        ValueError: the two were not measured on the same cases, or lack the metric.
    """
    ours, theirs = a.method, b.method
    if (ours.task, ours.split) != (theirs.task, theirs.split) or not np.array_equal(
        a.users, b.users
    ):
        raise ValueError(f"{ours.name} and {theirs.name} were not measured on the same cases")
    if metric not in ours.metrics or metric not in theirs.metrics:
        raise ValueError(f"{ours.name} and {theirs.name} do not both have {metric}")
    at, there = list(ours.metrics).index(metric), list(theirs.metrics).index(metric)
    (difference,) = paired(
        lambda weights: a.statistic(weights)[:, [at]],
        lambda weights: b.statistic(weights)[:, [there]],
        a.users,
        seed=seed,
    )
    return Comparison(
        a=ours.name,
        b=theirs.name,
        task=ours.task,
        split=ours.split,
        metric=metric,
        value=difference.value,
        low=difference.low,
        high=difference.high,
        sentence=_sentence(ours.name, theirs.name, metric, difference),
    )


def _sentence(a: str, b: str, metric: str, difference: Interval) -> str:
    """Winner first, and the difference is winner minus loser."""
    if np.isnan(difference.low):
        return f"{a} vs {b}: {metric} could not be compared"
    if not difference.excludes_zero:
        return f"{a} vs {b}: {difference.difference()} in {metric}"
    if (difference.low > 0) == (metric in LOWER_IS_BETTER):
        a, b = b, a
        difference = Interval(-difference.value, -difference.high, -difference.low)
    return f"{a} beats {b} by {difference.difference()} in {metric}"
