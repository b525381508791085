"""Two runs side by side: what differs in what they were, and in what they found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from p5rec.core.errors import UserError, did_you_mean
from p5rec.evaluate.blocks import main_metrics
from p5rec.evaluate.compare import adjusted, compare
from p5rec.evaluate.measured import Measured
from p5rec.evaluate.per_user import measured_of, read_cases
from p5rec.evaluate.schema import RECORD, Comparison, Measure, Method, Report, load_report
from p5rec.metrics.together import resamples_for

COMPARED = ("data", "protocol", "config", "measured", "part", "versions")


@dataclass(frozen=True)
class Run:
    """A run to be compared.

    Attributes:
        place: its folder, as the user wrote it.
        report: what it found.
        cases: what was kept of each case; None where nothing was.
    """

    place: str
    report: Report
    cases: pl.DataFrame | None


@dataclass(frozen=True)
class Row:
    """One metric of one method in both runs.

    Attributes:
        method: its name, or both names where they differ.
        task, split, metric: what was measured.
        a, b: its figure in each run.
        main: whether the metric stands for its task.
        paired: B minus A over the same cases; None where there is none.
        why: why not.
    """

    method: str
    task: str
    split: str
    metric: str
    a: Measure | None
    b: Measure | None
    main: bool
    paired: Comparison | None
    why: str

    @property
    def unchanged(self) -> bool:
        """Whether every case has the same value in both."""
        paired = self.paired
        return self.a == self.b and paired is not None and paired.low == paired.high == 0


@dataclass(frozen=True)
class Difference:
    """Two runs, and how they differ.

    Attributes:
        a, b: where they are.
        obstacles: why figures of the two cannot be compared; empty where they can.
        settings: dotted key to what it is in A and in B, where that differs.
        rows: the figures of methods that both have.
        alone: methods that only one of them has, in words.
    """

    a: str
    b: str
    obstacles: tuple[str, ...]
    settings: Mapping[str, tuple[str, str]]
    rows: tuple[Row, ...]
    alone: tuple[str, ...]


def load_run(place: Path) -> Run:
    """A run by its folder, or by the ``report.json`` in it.

    Raises:
        UserError: nothing there, or damaged.
    """
    folder = place.parent if place.name == RECORD else place
    return Run(str(place), load_report(folder), read_cases(folder))


def difference(
    a: Run, b: Run, pairs: Sequence[tuple[str, str]], seed: int, *, force: bool = False
) -> Difference:
    """What differs from A to B.

    Args:
        a, b: the runs.
        pairs: methods of A and of B to hold against each other, besides those of one name.
        seed: of the bootstrap.
        force: show figures side by side, without differences, where they cannot be compared.

    Raises:
        UserError: the runs have other data, splits or rules, or no method in common, or a pair
            names nothing.
    """
    obstacles = tuple(_obstacles(a.report, b.report))
    if obstacles and not force:
        raise UserError(
            *(f"{a.place} and {b.place}: expected {line}" for line in obstacles),
            "figures of the two cannot be compared; --force shows them side by side, "
            "without differences",
        )
    found = list(_matched(a, b, pairs))
    if not found:
        names = [", ".join(sorted({m.name for m in run.report.methods})) for run in (a, b)]
        raise UserError(
            f"{a.place} and {b.place}: expected a method that both have, got {names[0]} and "
            f"{names[1]}; say which are to be compared: --pair A=B"
        )
    resamples = resamples_for(len(found))
    rows = [
        row
        for ours, theirs in found
        for row in _rows(a, b, ours, theirs, seed, resamples, obstacles)
    ]
    first, second = _flat(_told(a.report)), _flat(_told(b.report))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    return Difference(
        a.place, b.place, obstacles,
        {key: (first.get(key, "not there"), second.get(key, "not there")) for key in keys},
        tuple(_judged(rows)), tuple(_alone(a, b, found)),
    )  # fmt: skip


def _obstacles(a: Report, b: Report) -> Iterator[str]:
    """What keeps figures from being compared, as ``expected ...`` goes on."""
    prints = [report.data.get("fingerprint") for report in (a, b)]
    tasks = a.protocol.splits.keys() & b.protocol.splits.keys()
    for task in sorted(tasks):
        rules = a.protocol.splits[task], b.protocol.splits[task]
        if rules[0] != rules[1]:
            yield f"one split of {task}, got {rules[0]} and {rules[1]}"
    for rule, words in (
        ("candidates", "as many items ranked"), ("exclude_seen", "seen items treated alike")
    ):  # fmt: skip
        ours, theirs = getattr(a.protocol, rule), getattr(b.protocol, rule)
        if ours != theirs:
            yield f"{words}, got {rule} {ours} and {theirs}"
    if None not in prints:
        if prints[0] != prints[1]:
            yield f"the same events and parts, got fingerprints {prints[0]} and {prints[1]}"
        return
    known = [_flat({"data": _data(report)}) for report in (a, b)]
    for key in sorted(known[0].keys() & known[1].keys()):
        if known[0][key] != known[1][key]:
            yield f"the same data, got {key} {known[0][key]} and {known[1][key]}"


def _data(report: Report) -> dict[str, Any]:
    """What tells data apart where a report is from before they had fingerprints."""
    config = report.manifest.get("config", report.manifest)
    counts = {key: value for key, value in report.data.items() if key != "fingerprint"}
    return {**counts, **(config.get("data") or {})}


def _matched(a: Run, b: Run, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[Method, Method]]:
    for run, side in ((a, 0), (b, 1)):
        names = {method.name for method in run.report.methods}
        for pair in pairs:
            if pair[side] not in names:
                hint = did_you_mean(pair[side], names)
                raise UserError(
                    f"--pair: expected a method of {run.place}, got {pair[side]!r}; {hint}"
                )
    for ours in a.report.methods:
        wanted = {ours.name} | {second for first, second in pairs if first == ours.name}
        for theirs in b.report.methods:
            same = (ours.task, ours.split) == (theirs.task, theirs.split)
            if same and theirs.name in wanted:
                yield ours, theirs


def _judged(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows, with what may be claimed of each difference among the others."""
    among = iter(adjusted([row.paired for row in rows if row.paired is not None]))
    for row in rows:
        yield row if row.paired is None else replace(row, paired=next(among))


def _rows(
    a: Run,
    b: Run,
    ours: Method,
    theirs: Method,
    seed: int,
    resamples: int,
    obstacles: Sequence[str],
) -> Iterator[Row]:
    name = ours.name if ours.name == theirs.name else f"{ours.name} / {theirs.name}"
    both, why = (None, "not comparable") if obstacles else _same_cases(a, b, ours, theirs)
    metrics = dict.fromkeys([*ours.metrics, *theirs.metrics])
    main = main_metrics(ours.task, metrics)
    for metric in metrics:
        paired = None
        if both and all(metric in measured.method.metrics for measured in both):
            paired = compare(_called(both[1], "B"), _called(both[0], "A"), metric, seed, resamples)
        yield Row(
            name, ours.task, ours.split, metric, ours.metrics.get(metric),
            theirs.metrics.get(metric), metric in main, paired,
            "" if paired else why or "no value a case",
        )  # fmt: skip


def _same_cases(
    a: Run, b: Run, ours: Method, theirs: Method
) -> tuple[tuple[Measured, Measured] | None, str]:
    """Both methods over the cases they share; or why they cannot be paired."""
    before = measured_of(ours, a.cases) if a.cases is not None else None
    after = measured_of(theirs, b.cases) if b.cases is not None else None
    if before is None or after is None:
        return None, "cases not kept"
    if not before[1].equals(after[1]):
        return None, "other cases"
    return (before[0], after[0]), ""


def _called(measured: Measured, run: str) -> Measured:
    """The same, named after its run."""
    method = measured.method
    named = method.model_copy(update={"name": f"{method.name} in {run}"})
    return replace(measured, method=named)


def _alone(a: Run, b: Run, found: Sequence[tuple[Method, Method]]) -> Iterator[str]:
    for run, name, matched in (
        (a, "A", [ours for ours, _ in found]), (b, "B", [theirs for _, theirs in found])
    ):  # fmt: skip
        names = [f"{m.name} ({m.task}, {m.split})" for m in run.report.methods if m not in matched]
        if names:
            yield f"only in {name}: {', '.join(names)}"


def _told(report: Report) -> dict[str, Any]:
    told = {"data": report.data, "protocol": report.protocol.dump(), **report.manifest}
    return {key: value for key, value in told.items() if key in COMPARED}


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Dotted keys to their values, as JSON."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = json.dumps(value, ensure_ascii=False)
    return found
