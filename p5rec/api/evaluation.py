"""The evaluation of fitted models on held-out events: tables, comparisons, a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.evaluate.schema import Comparison, Report, SplitName

from .dataset import Dataset, data_set
from .frames import Frame, Kind, to_kind, to_polars
from .measuring import (
    Imported,
    Query,
    check_lineage,
    item_notes,
    measure,
    measure_imported,
    predictions_of,
    query_of,
    write,
)
from .model import Model

if TYPE_CHECKING:
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.measured import Measured
    from p5rec.report.plots import Picture

Pairs = Sequence[tuple[str, str]]
Models = Mapping[str, Model | Sequence[Model] | Frame]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The results of an evaluation.

    Attributes:
        report: all results, as data.
        measured: every method on every task, with the values of each test instance.
        dataset: the data set of the evaluation.
    """

    report: Report
    measured: Sequence[Measured]
    dataset: Dataset

    def table(self, *, intervals: bool = False, frame: Kind | None = None) -> Frame:
        """A row for each method and task, best first: ``task``, ``split``, ``method``, ``n``
        (test instances) and a column for each metric.

        Args:
            intervals: add the bounds of each metric's 95 % interval, ``<metric> low`` and
                ``<metric> high``.
            frame: ``polars`` or ``pandas``; None: the kind of the data set's frames.
        """
        from p5rec.evaluate.blocks import blocks

        rows: list[dict[str, Any]] = []
        for block in blocks(self.report):
            for method in block.methods:
                row: dict[str, Any] = {"task": method.task, "split": method.split}
                row |= {"method": method.name, "n": method.n}
                for name, value in method.metrics.items():
                    row[name] = value.value
                    if intervals:
                        row |= {f"{name} low": value.low, f"{name} high": value.high}
                rows.append(row)
        return self._out(pl.DataFrame(rows, infer_schema_length=None), frame)

    def compare(self, a: str, b: str, frame: Kind | None = None) -> Frame:
        """The paired difference of two methods: ``task``, ``metric``, ``value`` (a minus b),
        ``low`` and ``high`` (95 %), ``p``, ``verdict``, ``sentence``.

        For several comparisons, name all pairs in ``compare`` of :func:`evaluate`, which corrects
        the p-values for their number.

        Args:
            a, b: names of methods.
            frame: ``polars`` or ``pandas``; None: the kind of the data set's frames.

        Raises:
            UserError: a name is unknown, or the two were measured on different test instances.
        """
        return self._out(_comparison_frame(self._compared([(a, b)])), frame)

    @property
    def comparisons(self) -> Frame:
        """The comparisons of the report, with the columns of :meth:`compare`."""
        return self._out(_comparison_frame(self.report.comparisons), None)

    def plot(self) -> Picture:
        """The main metrics with their intervals, as a picture for notebooks."""
        from p5rec.report.plots import metric_figure

        return metric_figure(self.report)

    def save(self, folder: str | Path) -> None:
        """Writes ``report.html``, ``report.md``, ``report.json``, pictures and test instances.

        Raises:
            UserError: the disk is full, or the folder is not writable.
        """
        write(self.report, self.measured, self.dataset.corpus, Path(folder).expanduser())

    def _compared(self, pairs: Pairs) -> list[Comparison]:
        from p5rec.evaluate.compare import comparisons

        known = {entry.method.name for entry in self.measured}
        for name in (name for pair in pairs for name in pair):
            if name not in known:
                raise input_error("compare", "a method", repr(name), did_you_mean(name, known))
        compared = comparisons(self.measured, pairs, self.dataset.config.seed)
        if not compared:
            raise UserError(
                f"compare: expected methods measured on the same test instances, got {pairs[0]}; "
                "evaluate them on one task"
            )
        return compared

    def _out(self, frame: pl.DataFrame, kind: Kind | None) -> Frame:
        return to_kind(frame, kind or self.dataset.kind)

    def __str__(self) -> str:
        from p5rec.report.terminal import table

        return "\n".join([table(self.report), *(f"note: {note}" for note in self.report.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def evaluate(
    models: Models | Model,
    data: Dataset,
    on: SplitName = "test",
    *,
    prompts: Mapping[str, int | str] | None = None,
    allow_seen: bool = False,
    other_items: bool = False,
    compare: Pairs = (),
    k: int | None = None,
    exclude_seen: bool | None = None,
) -> Evaluation:
    """Evaluates models on the held-out events of ``data``, ranking the full catalogue.

    Args:
        models: models by their names in the report. Several models under one name are runs with
            different seeds, reported as their mean. A frame in place of a model holds ranked lists
            from elsewhere: ``user``, ``rank`` (from 1), ``item``, and optionally ``score``; users
            without a list count as misses.
        data: the data set, with a split.
        on: ``test``, or ``valid`` for the selection of methods.
        prompts: task → number of held-out queries for each model with that task, or ``all``
            (``{"rating": 500}``); None: the settings saved with a loaded model.
        allow_seen: evaluate a model even if it was fitted to the events of ``on``; the report has
            a note.
        other_items: evaluate the ranked lists of models whose items differ from those of the data,
            such as an older model on newer events. Histories skip items that the model does not
            know, and such targets count as misses. The report has their number.
        compare: pairs of names to compare in the report; the first is claimed to be better.
        k: length of the ranked lists; None: the saved length, 20 for a new model.
        exclude_seen: exclude the items of the history from its list; None: as saved.

    Raises:
        UserError: a model was fitted to events of that split, has other items, or lacks a
            requested task; or a frame holds no lists.
    """
    from p5rec.evaluate.assemble import assemble

    started = time.perf_counter()
    if on not in ("test", "valid"):
        raise input_error("evaluate: on", "test or valid", repr(on), "name one of them")
    data_set(data, "evaluate").check_evaluable()
    runs, frames = _runs(models)
    allowed = Allowed(allow_seen, other_items)
    notes = [note for each in _named(runs) for note in _checked(*each, data, on, allowed)]
    lists = {name: _imported(name, frame, data, on) for name, frame in frames.items()}
    notes += [f"{name}: {note}" for name, own in lists.items() for note in own.notes]
    queries = {
        name: [query_of(name, model, on, prompts, k, exclude_seen) for model in each]
        for name, each in runs.items()
    }
    rules = _rules(queries, lists, data.config.seed, compare)
    prepared = data.prepared(verbose=False)
    with ExitStack() as stack:
        predictions = {
            name: [predictions_of(name, each, prepared, data, on, stack) for each in own]
            for name, own in queries.items()
        }
        measured, samples = measure(predictions, prepared, on, data.config.seed)
    measured += [own.measured for own in lists.values()]
    samples += [sample for own in lists.values() for sample in own.samples]
    report = assemble(
        data.corpus,
        measured,
        rules,
        seconds=time.perf_counter() - started,
        manifest={
            "command": "p5rec.evaluate",
            "data": data.config.dump(),
            "split": on,
            "methods": {n: [one.method.dump() for one in each] for n, each in queries.items()},
            "lists": [*lists],
            "provenance": {
                name: [one.provenance and one.provenance.facts() for one in each]
                for name, each in runs.items()
                if any(one.provenance for one in each)
            },
        },
        notes=notes,
        samples=samples,
    )
    evaluation = Evaluation(report, measured, data)
    if compare:
        evaluation._compared(compare)
    return evaluation


def compare(models: Models, data: Dataset, on: SplitName = "test", **settings: Any) -> Frame:
    """Compares the first of ``models`` with each of the others, corrected for their number.

    Args:
        models, data, on, **settings: as for :func:`evaluate`.

    Returns:
        The columns of :meth:`Evaluation.compare`.
    """
    first, *others = models
    pairs = [(first, other) for other in others]
    return evaluate(models, data, on, compare=pairs, **settings).comparisons


def _named(runs: Mapping[str, Sequence[Model]]) -> Iterator[tuple[str, Model]]:
    for name, each in runs.items():
        for model in each:
            yield name, model


def _runs(models: Models | Model) -> tuple[dict[str, Sequence[Model]], dict[str, Frame]]:
    """The models, and the frames of ranked lists, by name."""
    named = {models.method.kind: models} if isinstance(models, Model) else models
    runs: dict[str, Sequence[Model]] = {}
    frames: dict[str, Frame] = {}
    for name, one in named.items():
        if isinstance(one, Model):
            runs[name] = [one]
        elif isinstance(one, list | tuple):
            runs[name] = one
        else:
            frames[name] = one
    if not named or not all(runs.values()):
        raise UserError("evaluate: expected models, got none; name at least one")
    return runs, frames


def _imported(name: str, frame: Frame, data: Dataset, on: SplitName) -> Imported:
    """The ranked lists of a frame, measured.

    Raises:
        UserError: it is no frame, lacks a column, or has no rows.
    """
    from p5rec.recommend.imported import COLUMNS, OPTIONAL

    table, where = to_polars(frame, name, [*COLUMNS, *OPTIONAL]), Path(name)
    if missing := next((column for column in COLUMNS if column not in table.columns), None):
        raise input_error(name, f"a column {missing!r}", "none", "rename the column")
    if not len(table):
        raise input_error(name, "at least one row", "none", "fill the frame")
    rows = table.with_row_index("row", offset=1)
    return measure_imported(name, rows, where, data.corpus, on, data.config.seed, {})


class Allowed(NamedTuple):
    """Whether models may have seen the held-out events, or have other items than the data."""

    seen: bool
    other_items: bool


def _checked(name: str, model: Model, data: Dataset, on: SplitName, allow: Allowed) -> list[str]:
    """Notes on a model for the report.

    Raises:
        UserError: it has other items, or was fitted to events of the split.
    """
    notes = []
    if model.dataset is not data:
        try:
            notes = item_notes(name, model.folder, data.corpus, model.ids, allow.other_items)
        except UserError as error:
            raise UserError(*(f"{name}: {line}" for line in error.lines)) from None
    notes += check_lineage(name, model.folder, data.corpus, on, allow_seen=allow.seen)
    return notes if model.provenance is None else [*notes, model.provenance.sentence(name)]


def _rules(
    queries: Mapping[str, Sequence[Query]], lists: Mapping[str, Imported], seed: int, pairs: Pairs
) -> Rules:
    """The evaluation protocol.

    Raises:
        UserError: some lists exclude seen items, and others do not.
    """
    from p5rec.evaluate.assemble import Rules

    serving = [(name, each.serving) for name, own in queries.items() for each in own]
    with_seen = [name for name, own in lists.items() if not own.exclude_seen]
    with_seen += [name for name, each in serving if not each.exclude_seen]
    without_seen = [name for name, each in serving if each.exclude_seen]
    if without_seen and with_seen:
        exclude = with_seen[0] not in lists
        raise UserError(
            "evaluate: expected lists that all include seen items, or all exclude them, got "
            f"{with_seen[0]} with seen items and {without_seen[0]} without; "
            f"set exclude_seen={exclude}"
        )
    seeds = sorted({each.fit_seed for _, each in serving}) or [0]
    return Rules(seed, seeds, pairs, exclude_seen=not with_seen, own=not lists)


def _comparison_frame(compared: Sequence[Comparison]) -> pl.DataFrame:
    columns = ("a", "b", "task", "split", "metric", "value", "low", "high")
    rows = [
        {
            **{name: getattr(one, name) for name in columns},
            "p": one.p if one.p_adjusted is None else one.p_adjusted,
            "verdict": one.verdict,
            "sentence": one.sentence,
        }
        for one in compared
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
