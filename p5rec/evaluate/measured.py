"""A method's entry in the report, with the values needed to compare it or average it over seeds.

B test instances, M metrics, R resamples. An instance belongs to a user, or to no user (-1) where
a query is about an item alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

import numpy as np

from p5rec.metrics.intervals import Statistic, bootstrap, combined

from .schema import Measure, Method, Slice, SplitName

COUNTS = ("requests", "tokens")  # what a language model spends on all instances
REQUESTS, TOKENS = "requests_per_prediction", "tokens_per_prompt"  # in an entry's other metrics

Within = Callable[[np.ndarray], Statistic]


class Run(TypedDict):
    """What the caller knows: split, seed of the bootstrap, and facts about the predictions.

    ``instance_items`` ``(B,)`` are the items of the instances, ``slices`` their slices, ``counts``
    the :data:`COUNTS` over all instances (by default one request each), ``train_seconds`` and
    ``infer_seconds`` wall clock.
    """

    split: SplitName
    seed: int
    task: NotRequired[str]
    instance_items: NotRequired[np.ndarray]
    slices: NotRequired[Mapping[str, np.ndarray]]
    train_seconds: NotRequired[float]
    infer_seconds: NotRequired[float]
    counts: NotRequired[Mapping[str, int]]
    about: NotRequired[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Measured:
    """A method's entry in the report, with the values needed to compare it with another.

    Attributes:
        method: the entry.
        users: ``(B,)`` the user of each instance; one without a user has its own negative number.
        values: the value of each instance, name to ``(B,)``.
        statistic: of the M metrics, in the entry's order.
        items: ``(B,)`` the item of each instance, -1 where it is unknown.
        slices: name to ``(B,)`` bool, the instances of each slice, or ``(B, T)`` bool, its targets.
        within: a slice to the statistic of the sliced metrics over its instances, counting its
            targets alone; None where nothing is sliced.
        runs: the averaged runs, where this is a mean over seeds.
    """

    method: Method
    users: np.ndarray
    values: Mapping[str, np.ndarray]
    statistic: Statistic
    items: np.ndarray
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)
    within: Within | None = None
    runs: tuple[Measured, ...] = ()


@dataclass(frozen=True, eq=False)
class Figures:
    """The metrics of a task: values, statistic and names.

    Attributes:
        values: the value of each instance, name to ``(B,)``.
        statistic: of the M metrics.
        metrics: the names of the M metrics.
        invalid_rate, duplicate_rate: see :class:`p5rec.evaluate.schema.Method`.
        sliced: the metrics that are measured on slices.
        within: see :class:`Measured`.
        unsupported: slices for which the method cannot predict.
        other_metrics: metrics without an interval.
    """

    values: Mapping[str, np.ndarray]
    statistic: Statistic
    metrics: Sequence[str]
    invalid_rate: float
    duplicate_rate: float | None = None
    sliced: Sequence[str] = ()
    within: Within | None = None
    unsupported: Collection[str] = ()
    other_metrics: Mapping[str, float] = field(default_factory=dict)


def measured(name: str, task: str, run: Run, users: np.ndarray, figures: Figures) -> Measured:
    """A method's entry, with the intervals of its metrics and of their slices.

    Args:
        name: the method.
        task: the default where ``run`` names none.
        run: see :class:`Run`.
        users: ``(B,)``, -1 where an instance has no user.
        figures: the values of its metrics.
    """
    units, slices = _units(users), run.get("slices", {})
    intervals = bootstrap(figures.statistic, units, seed=run["seed"])
    other_metrics = dict(figures.other_metrics)
    counts, n_instances = run.get("counts", {}), len(users)
    if "requests" in counts and n_instances:
        other_metrics[REQUESTS] = counts["requests"] / n_instances
    if "tokens" in counts and n_instances:
        other_metrics[TOKENS] = counts["tokens"] / counts.get("requests", n_instances)
    method = Method(
        name=name,
        task=run.get("task", task),
        split=run["split"],
        metrics={m: Measure.of(i) for m, i in zip(figures.metrics, intervals, strict=True)},
        invalid_rate=figures.invalid_rate,
        duplicate_rate=figures.duplicate_rate,
        n=len(users),
        train_seconds=run.get("train_seconds", 0.0),
        infer_seconds=run.get("infer_seconds", 0.0),
        slices=_sliced(
            figures.within, figures.sliced, units, slices, figures.unsupported, run["seed"]
        ),
        about=dict(run.get("about", {})),
        other_metrics=other_metrics,
    )
    items = run.get("instance_items", np.full(len(users), -1))
    return Measured(method, units, figures.values, figures.statistic, items, slices, figures.within)


def average(runs: Sequence[Measured], seed: int) -> Measured:
    """The mean of one method's runs with different seeds, as one entry.

    An interval belongs to the mean over the runs and covers the choice of users. The variation
    between seeds is in the entry's ``by_seed``.

    Args:
        runs: measured on the same task, split and instances; at least one, which is its own mean.
        seed: seed of the bootstrap.
    """
    first, methods = runs[0], [run.method for run in runs]
    if len(runs) == 1:
        return first
    statistic = combined([run.statistic for run in runs], mean_values)

    def mean_within(chosen: np.ndarray) -> Statistic:
        return combined([run.within(chosen) for run in runs if run.within], mean_values)

    within = mean_within if first.within else None
    values = {name: np.mean([run.values[name] for run in runs], axis=0) for name in first.values}
    intervals = bootstrap(statistic, first.users, seed=seed)
    cuts = first.method.slices
    unsupported = {name for name, cut in cuts.items() if cut.metrics == "unsupported"}
    supported = [cut.metrics for cut in cuts.values() if cut.metrics != "unsupported"]
    sliced = list(supported[0]) if supported else []
    method = first.method.model_copy(
        update={
            "metrics": {
                m: Measure.of(i) for m, i in zip(first.method.metrics, intervals, strict=True)
            },
            "by_seed": {m: [e.metrics[m].value for e in methods] for m in first.method.metrics},
            "invalid_rate": _mean([m.invalid_rate for m in methods]),
            "duplicate_rate": _mean([m.duplicate_rate for m in methods]),
            "train_seconds": _mean([m.train_seconds for m in methods]),
            "infer_seconds": _mean([m.infer_seconds for m in methods]),
            "other_metrics": {
                n: _mean([m.other_metrics[n] for m in methods]) for n in first.method.other_metrics
            },
            "slices": _sliced(within, sliced, first.users, first.slices, unsupported, seed),
        }
    )
    return Measured(
        method, first.users, values, statistic, first.items, first.slices, within, tuple(runs)
    )


def mean_values(values: Sequence[np.ndarray]) -> np.ndarray:
    """``(R, M)`` the mean of the values ``(R, M)`` of several runs."""
    mean: np.ndarray = np.mean(values, axis=0)
    return mean


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _sliced(
    within: Within | None,
    metrics: Sequence[str],
    units: np.ndarray,
    slices: Mapping[str, np.ndarray],
    unsupported: Collection[str],
    seed: int,
) -> dict[str, Slice]:
    if within is None:
        return {}

    def measured(chosen: np.ndarray) -> dict[str, Measure]:
        intervals = bootstrap(within(chosen), units[instances_of(chosen)], seed=seed)
        return {m: Measure.of(i) for m, i in zip(metrics, intervals, strict=True)}

    return {
        name: Slice(
            n=int(instances_of(chosen).sum()),
            metrics="unsupported" if name in unsupported else measured(chosen),
        )
        for name, chosen in slices.items()
    }


def instances_of(chosen: np.ndarray) -> np.ndarray:
    """``(B,)`` the instances of a slice ``(B,)``; of ``(B, T)``, those with a target in it."""
    return chosen if chosen.ndim == 1 else np.logical_or.reduce(chosen, axis=1)


def _units(users: np.ndarray) -> np.ndarray:
    """``(B,)`` the sampling units of the bootstrap: users, and each instance without a user."""
    return np.where(users >= 0, users, -1 - np.arange(len(users)))
