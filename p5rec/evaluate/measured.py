"""A method's entry in the report, and what comparing it, or averaging it over seeds, needs.

B cases, M metrics, R resamples. A case belongs to a user, or to none where its user is -1 (a
question about an item).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

import numpy as np

from p5rec.metrics.intervals import Statistic, bootstrap

from .schema import Measure, Method, Slice, SplitName

Within = Callable[[np.ndarray], Statistic]


class Run(TypedDict):
    """What only the caller knows: part, seed of the bootstrap, and how the answers came about.

    ``subjects`` ``(B,)`` are the items that the cases are about, ``parts`` their slices;
    ``tokens`` those of all questions that a language model was asked.
    """

    split: SplitName
    seed: int
    task: NotRequired[str]
    subjects: NotRequired[np.ndarray]
    parts: NotRequired[Mapping[str, np.ndarray]]
    train_seconds: NotRequired[float]
    infer_seconds: NotRequired[float]
    tokens: NotRequired[int]
    about: NotRequired[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Measured:
    """A method's entry in the report, and what comparing it with another needs.

    Attributes:
        method: the entry.
        users: ``(B,)`` the user of each case; a case of no user has a negative number of its own.
        values: what each case contributes, name to ``(B,)``.
        statistic: row weights ``(R, B)`` to ``(R, M)``, the M metrics in the entry's order.
        items: ``(B,)`` the item that each case is about, -1 where it is not known.
        parts: name to ``(B,)`` bool, the cases of each slice, or ``(B, T)`` bool, the targets.
        within: a slice to the statistic of the sliced metrics over its cases alone, and of those
            over its targets alone; None where nothing is sliced.
        runs: what was averaged, where it is a mean over seeds.
    """

    method: Method
    users: np.ndarray
    values: Mapping[str, np.ndarray]
    statistic: Statistic
    items: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    within: Within | None = None
    runs: tuple[Measured, ...] = ()


@dataclass(frozen=True, eq=False)
class Figures:
    """What a task's metrics are made of, and what stands beside them.

    Attributes:
        values: what each case contributes, name to ``(B,)``.
        statistic: row weights ``(R, B)`` to ``(R, M)``.
        metrics: names of the M metrics.
        invalid_rate, duplicate_rate: as the report holds them.
        sliced: the metrics that slices have.
        within: see :class:`Measured`.
        cannot: slices that the method has no answer for.
        beside: figures without an interval.
    """

    values: Mapping[str, np.ndarray]
    statistic: Statistic
    metrics: Sequence[str]
    invalid_rate: float
    duplicate_rate: float | None = None
    sliced: Sequence[str] = ()
    within: Within | None = None
    cannot: Collection[str] = ()
    beside: Mapping[str, float] = field(default_factory=dict)


def measured(name: str, task: str, run: Run, users: np.ndarray, figures: Figures) -> Measured:
    """A method's entry, with the intervals of its metrics and of their slices.

    Args:
        name: the method.
        task: what it was measured on, unless ``run`` says it.
        run: what the caller knows.
        users: ``(B,)``, -1 where a case is no user's.
        figures: what its metrics are made of.
    """
    units, parts = _units(users), run.get("parts", {})
    intervals = bootstrap(figures.statistic, units, seed=run["seed"])
    beside = dict(figures.beside)
    if "tokens" in run and len(users):
        beside["tokens_per_question"] = run["tokens"] / len(users)
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
        slices=_sliced(figures.within, figures.sliced, units, parts, figures.cannot, run["seed"]),
        about=dict(run.get("about", {})),
        beside=beside,
    )
    items = run.get("subjects", np.full(len(users), -1))
    return Measured(method, units, figures.values, figures.statistic, items, parts, figures.within)


def average(runs: Sequence[Measured], seed: int) -> Measured:
    """Runs of one method that differ by their seeds alone, as one entry: the mean of all figures.

    An interval is that of the mean over the runs: it says what other users would change, and the
    entry's ``by_seed`` what other seeds would.

    Args:
        runs: measured on the same task, part and cases, at least one; one is its own average.
        seed: of the bootstrap.
    """
    first, methods = runs[0], [run.method for run in runs]
    if len(runs) == 1:
        return first

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.mean([run.statistic(weights) for run in runs], axis=0)

    def mean_within(rows: np.ndarray) -> Statistic:
        each = [run.within(rows) for run in runs if run.within]
        return lambda weights: np.mean([of(weights) for of in each], axis=0)

    within = mean_within if first.within else None
    values = {name: np.mean([run.values[name] for run in runs], axis=0) for name in first.values}
    intervals = bootstrap(statistic, first.users, seed=seed)
    cuts = first.method.slices
    cannot = {name for name, cut in cuts.items() if cut.metrics == "cannot"}
    able = [cut.metrics for cut in cuts.values() if cut.metrics != "cannot"]
    sliced = list(able[0]) if able else []
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
            "beside": {n: _mean([m.beside[n] for m in methods]) for n in first.method.beside},
            "slices": _sliced(within, sliced, first.users, first.parts, cannot, seed),
        }
    )
    return Measured(
        method, first.users, values, statistic, first.items, first.parts, within, tuple(runs)
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _sliced(
    within: Within | None,
    metrics: Sequence[str],
    units: np.ndarray,
    parts: Mapping[str, np.ndarray],
    cannot: Collection[str],
    seed: int,
) -> dict[str, Slice]:
    if within is None:
        return {}

    def measured(part: np.ndarray) -> dict[str, Measure]:
        intervals = bootstrap(within(part), units[cases_of(part)], seed=seed)
        return {m: Measure.of(i) for m, i in zip(metrics, intervals, strict=True)}

    return {
        name: Slice(
            n=int(cases_of(part).sum()), metrics="cannot" if name in cannot else measured(part)
        )
        for name, part in parts.items()
    }


def cases_of(part: np.ndarray) -> np.ndarray:
    """``(B,)`` the cases of a slice ``(B,)``, or those with a target in it of ``(B, T)``."""
    return part if part.ndim == 1 else np.logical_or.reduce(part, axis=1)


def _units(users: np.ndarray) -> np.ndarray:
    """What the bootstrap draws, ``(B,)``: users, and each case that is no user's by itself."""
    return np.where(users >= 0, users, -1 - np.arange(len(users)))
