"""The primary comparison of a recipe: one claim, named before the test split is read.

The recipe's main claim rests on this comparison alone. It needs no correction for other
comparisons. Its smallest detectable difference is measured on validation, so it is known before the
test result: a true difference of this size has an interval above 0 in about 80 % of test sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.metrics.intervals import Statistic, combined, paired, paired_error

from .blocks import LOWER_IS_BETTER
from .compare import p_value
from .config import PrimaryConfig, averaged
from .measured import Measured, instances_of
from .schema import Decision, Number, Primary, SplitName

DETECTABLE = 2.8  # standard errors: 1.96 of the interval, and 0.84 for 80 % of test sets


class _Side(NamedTuple):
    """One method of the comparison on one split.

    Attributes:
        statistic: of the metric alone.
        users, items: ``(B,)`` those of each test instance.
        by_seed: the metric under each seed.
    """

    statistic: Statistic
    users: np.ndarray
    items: np.ndarray
    by_seed: np.ndarray


def primary_result(config: PrimaryConfig, measured: Sequence[Measured], seed: int) -> Primary:
    """The verdict of the primary comparison on test, with the difference detectable on validation.

    Args:
        config: the comparison.
        measured: every method on every task and split.
        seed: seed of the bootstrap.

    Raises:
        UserError: one of the two was not measured on the task, metric, slice or split.
    """
    a, b = _pair(config, measured, "test")
    units = getattr(a, config.resample)
    (difference,) = paired(a.statistic, b.statistic, units, seed=seed)
    ours, theirs = _pair(config, measured, "valid")
    units = getattr(ours, config.resample)
    error = paired_error(ours.statistic, theirs.statistic, units, seed=seed)
    result = Primary(
        a=config.compare[0],
        b=config.compare[1],
        task=config.task,
        metric=config.metric,
        slice=config.slice,
        value=difference.value,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        by_seed=(a.by_seed - b.by_seed).tolist() if len(a.by_seed) + len(b.by_seed) > 2 else [],
        resample=config.resample,
        users=_count(a.users),
        items=_count(a.items[a.items >= 0]),
        detectable=DETECTABLE * error,
        valid_users=_count(ours.users),
        valid_items=_count(ours.items[ours.items >= 0]),
        expected=config.expected,
        verdict="undecidable here",
        sentence="",
    )
    result = result.model_copy(update={"verdict": _decision(result)})
    return result.model_copy(update={"sentence": _sentence(result)})


def _pair(
    config: PrimaryConfig, measured: Sequence[Measured], split_name: SplitName
) -> tuple[_Side, _Side]:
    """The two methods, on the same test instances."""
    a, b = (_mean_side(name, config, measured, split_name) for name in config.compare)
    if not (np.array_equal(a.users, b.users) and np.array_equal(a.items, b.items)):
        got = f"other instances of {config.compare[1]}"
        raise input_error("evaluate.primary", "two methods on the same test instances", got,
                          "name another pair")  # fmt: skip
    return a, b


def _mean_side(
    names: str, config: PrimaryConfig, measured: Sequence[Measured], split_name: SplitName
) -> _Side:
    """One method, or the mean of several on the same test instances."""
    sides = [_side(name, config, measured, split_name) for name in averaged(names)]
    first = sides[0]
    return first._replace(
        statistic=combined([each.statistic for each in sides], lambda each: np.mean(each, axis=0)),
        by_seed=np.mean(np.broadcast_arrays(*(each.by_seed for each in sides)), axis=0),
    )


def _side(
    name: str, config: PrimaryConfig, measured: Sequence[Measured], split_name: SplitName
) -> _Side:
    task, metric, cut = config.task, config.metric, config.slice
    own = {
        e.method.name: e for e in measured if (e.method.task, e.method.split) == (task, split_name)
    }
    if name not in own:
        raise _unknown("compare", f"a method with {task} predictions on {split_name}", name, own)
    entry = own[name]
    chosen, metrics = np.ones(len(entry.users), dtype=bool), list(entry.method.metrics)
    if cut is not None:
        if entry.within is None or cut not in entry.method.slices:
            raise _unknown("slice", f"a slice of {task} on {split_name}", cut, entry.method.slices)
        values = entry.method.slices[cut].metrics
        chosen = instances_of(entry.slices[cut])
        metrics = [] if values == "unsupported" else list(values)
    if metric not in metrics:
        raise _unknown("metric", f"a metric of {name}", metric, metrics)
    users, items = entry.users[chosen], entry.items[chosen]
    if config.resample == "items" and (items < 0).any():
        raise input_error("evaluate.primary.resample", "test instances with one item each",
                          f"{task} without", "resample users")  # fmt: skip
    at = metrics.index(metric)

    def statistic(run: Measured) -> Statistic:
        whole = run.statistic if cut is None or not run.within else run.within(entry.slices[cut])
        return whole.then(lambda values: values[:, [at]])

    every = np.ones((1, len(users)))
    by_seed = np.array([statistic(run)(every)[0, 0] for run in entry.runs or [entry]])
    return _Side(statistic(entry), users, items, by_seed)


def _unknown(key: str, expected: str, got: str, known: Iterable[str]) -> UserError:
    todo = did_you_mean(got, known)
    return input_error(f"evaluate.primary.{key}", expected, repr(got), todo)


def _decision(one: Primary) -> Decision:
    """Whether ``a`` is better than ``b``.

    ``no`` takes evidence: ``a`` is worse, or the test could have shown the expected difference.
    """
    low, high = _gain(one)
    if low is None or high is None:
        return "undecidable here"
    if low > 0:
        return "yes"
    detectable, expected = one.detectable, one.expected
    powerful = detectable is not None and expected is not None and detectable <= expected
    return "no" if high < 0 or powerful else "undecidable here"


def _gain(one: Primary) -> tuple[Number, Number]:
    """The interval of the difference, positive where ``a`` is better."""
    if one.low is None or one.high is None:
        return None, None
    return (-one.high, -one.low) if one.metric in LOWER_IS_BETTER else (one.low, one.high)


def _count(units: np.ndarray) -> int:
    return len(np.unique(units))


def _sentence(one: Primary) -> str:
    """The comparison in words."""
    scope = f"{one.task}, test" + (f", slice {one.slice}" if one.slice else "")
    head = f"Does {one.a} beat {one.b} in {one.metric} ({scope})? {one.verdict.capitalize()}"
    if one.value is None or one.low is None or one.high is None or one.p is None:
        return f"{head}: the difference could not be measured."
    gap = f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}], p {p_value(one.p)}"
    sentence = f"{head}: {gap}, {one.users:,} users."
    if one.resample == "items":
        sentence = f"{head}: {gap}, intervals over {one.items:,} items."
    if one.by_seed:
        seeds = [gap for gap in one.by_seed if gap is not None]
        sentence += f" {len(seeds)} seeds: {min(seeds):+.4f} to {max(seeds):+.4f}."
    if one.detectable is None:
        return f"{sentence} The smallest detectable difference is unknown."
    sentence += f" Smallest detectable difference (validation): {one.detectable:.4f}"
    if one.expected is None:
        return f"{sentence}."
    sentence += f", expected: {one.expected:.4f}."
    if one.verdict != "undecidable here":
        return sentence
    times = (one.detectable / one.expected) ** 2
    units = one.valid_items if one.resample == "items" else one.valid_users
    needed = ceil(times * units)
    return (
        f"{sentence} About {needed:,} test {one.resample} would decide ({times:.1f} times as many)."
    )
