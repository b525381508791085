"""Two runs side by side: differences in settings, data and versions, and in metrics."""

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
from p5rec.evaluate.per_user import measured_of, read_per_user
from p5rec.evaluate.schema import RECORD, Comparison, Measure, Method, Report, load_report
from p5rec.metrics.multiple_testing import resamples_for

COMPARED = ("data", "protocol", "config", "measured", "split", "versions")
NO_VALUES = "no value per instance"


@dataclass(frozen=True)
class Run:
    """A run to be compared.

    Attributes:
        path: its folder, as the user wrote it.
        report: its report.
        instances: its saved test instances; None where there are none.
    """

    path: str
    report: Report
    instances: pl.DataFrame | None


@dataclass(frozen=True)
class Row:
    """One metric of one method in both runs.

    Attributes:
        method: its name, or both names where they differ.
        task, split, metric: the task, split and metric.
        a, b: its value in each run.
        main: whether it is a main metric of its task.
        paired: B minus A over the same test instances; None where they cannot be paired.
        why: the reason why they cannot be paired.
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
        """Whether both runs have the same metric and, where it has them, values per instance."""
        if self.paired is None:
            return self.a == self.b and self.why == NO_VALUES
        return self.a == self.b and self.paired.low == self.paired.high == 0


@dataclass(frozen=True)
class Difference:
    """Two runs and their differences.

    Attributes:
        a, b: their folders.
        obstacles: reasons why metrics of the two cannot be compared; empty where they can.
        settings: dotted key to its values in A and in B, where they differ.
        rows: the metrics of methods in both runs.
        unmatched: sentences that name the methods of one run alone.
    """

    a: str
    b: str
    obstacles: tuple[str, ...]
    settings: Mapping[str, tuple[str, str]]
    rows: tuple[Row, ...]
    unmatched: tuple[str, ...]


def load_run(path: Path) -> Run:
    """A run by its folder, or by the ``report.json`` in it.

    Raises:
        UserError: the report is missing or damaged.
    """
    folder = path.parent if path.name == RECORD else path
    return Run(str(path), load_report(folder), read_per_user(folder))


def difference(
    a: Run, b: Run, pairs: Sequence[tuple[str, str]], seed: int, *, force: bool = False
) -> Difference:
    """The differences between A and B.

    Args:
        a, b: the runs.
        pairs: methods of A and of B to compare, besides those with equal names.
        seed: seed of the bootstrap.
        force: report metrics side by side, without differences, where they cannot be compared.

    Raises:
        UserError: the runs have different data, splits or protocols, or no method in common, or a
            pair has an unknown name.
    """
    obstacles = tuple(_obstacles(a.report, b.report))
    if obstacles and not force:
        raise UserError(
            *(f"{a.path} and {b.path}: expected {line}" for line in obstacles),
            "the metrics of the two cannot be compared; --force shows them side by side, "
            "without differences",
        )
    matched = list(_matched(a, b, pairs))
    if not matched:
        names = [", ".join(sorted({m.name for m in run.report.methods})) for run in (a, b)]
        raise UserError(
            f"{a.path} and {b.path}: expected a method in both, got {names[0]} and "
            f"{names[1]}; choose the methods to compare: --pair A=B"
        )
    resamples = resamples_for(len(matched))
    rows = [
        row
        for ours, theirs in matched
        for row in _rows(a, b, ours, theirs, seed, resamples, obstacles)
    ]
    first, second = _flat(_settings(a.report)), _flat(_settings(b.report))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    return Difference(
        a.path, b.path, obstacles,
        {key: (first.get(key, "missing"), second.get(key, "missing")) for key in keys},
        tuple(_adjusted(rows)), tuple(_unmatched(a, b, matched)),
    )  # fmt: skip


def _obstacles(a: Report, b: Report) -> Iterator[str]:
    """The reasons why metrics cannot be compared, each to follow the word ``expected``."""
    prints = [report.data.get("fingerprint") for report in (a, b)]
    tasks = a.protocol.splits.keys() & b.protocol.splits.keys()
    for task in sorted(tasks):
        rules = a.protocol.splits[task], b.protocol.splits[task]
        if rules[0] != rules[1]:
            yield f"the same split of {task}, got {rules[0]} and {rules[1]}"
    for rule, words in (
        ("candidates", "the same number of ranked items"),
        ("exclude_seen", "the same rule for seen items"),
    ):  # fmt: skip
        ours, theirs = getattr(a.protocol, rule), getattr(b.protocol, rule)
        if ours != theirs:
            yield f"{words}, got {rule} {ours} and {theirs}"
    if None not in prints:
        if prints[0] != prints[1]:
            yield f"the same events and splits, got fingerprints {prints[0]} and {prints[1]}"
        return
    known = [_flat({"data": _data(report)}) for report in (a, b)]
    for key in sorted(known[0].keys() & known[1].keys()):
        if known[0][key] != known[1][key]:
            yield f"the same data, got {key} {known[0][key]} and {known[1][key]}"


def _data(report: Report) -> dict[str, Any]:
    """The counts and the data config, which identify data without a fingerprint."""
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
                    f"--pair: expected a method of {run.path}, got {pair[side]!r}; {hint}"
                )
    for ours in a.report.methods:
        wanted = {ours.name} | {second for first, second in pairs if first == ours.name}
        for theirs in b.report.methods:
            same = (ours.task, ours.split) == (theirs.task, theirs.split)
            if same and theirs.name in wanted:
                yield ours, theirs


def _adjusted(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows, their differences corrected for multiple comparisons."""
    corrected = iter(adjusted([row.paired for row in rows if row.paired is not None]))
    for row in rows:
        yield row if row.paired is None else replace(row, paired=next(corrected))


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
    both, why = (None, "not comparable") if obstacles else _same_instances(a, b, ours, theirs)
    metrics = dict.fromkeys([*ours.metrics, *theirs.metrics])
    main = main_metrics(ours.task, metrics)
    for metric in metrics:
        paired = None
        if both and all(metric in measured.method.metrics for measured in both):
            paired = compare(
                _renamed(both[1], "B"), _renamed(both[0], "A"), metric, seed, resamples
            )
        yield Row(
            name, ours.task, ours.split, metric, ours.metrics.get(metric),
            theirs.metrics.get(metric), metric in main, paired,
            "" if paired else why or NO_VALUES,
        )  # fmt: skip


def _same_instances(
    a: Run, b: Run, ours: Method, theirs: Method
) -> tuple[tuple[Measured, Measured] | None, str]:
    """Both methods over their test instances; or the reason why they cannot be paired."""
    before = measured_of(ours, a.instances) if a.instances is not None else None
    after = measured_of(theirs, b.instances) if b.instances is not None else None
    if before is None or after is None:
        return None, "instances not saved"
    if not before[1].equals(after[1]):
        return None, "different instances"
    return (before[0], after[0]), ""


def _renamed(measured: Measured, run: str) -> Measured:
    """The measurement with its run added to the method's name."""
    method = measured.method
    named = method.model_copy(update={"name": f"{method.name} in {run}"})
    return replace(measured, method=named)


def _unmatched(a: Run, b: Run, matched: Sequence[tuple[Method, Method]]) -> Iterator[str]:
    for run, name, known in (
        (a, "A", [ours for ours, _ in matched]), (b, "B", [theirs for _, theirs in matched])
    ):  # fmt: skip
        names = [f"{m.name} ({m.task}, {m.split})" for m in run.report.methods if m not in known]
        if names:
            yield f"only in {name}: {', '.join(names)}"


def _settings(report: Report) -> dict[str, Any]:
    every = {"data": report.data, "protocol": report.protocol.dump(), **report.manifest}
    return {key: value for key, value in every.items() if key in COMPARED}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys to their values, as JSON."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return flat
