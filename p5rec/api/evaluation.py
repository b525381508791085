"""Fitted models measured on held-out events: tables, comparisons, a report."""

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
    answers_of,
    check_unseen,
    known_items,
    measure,
    measure_imported,
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
    """What was measured.

    Attributes:
        report: all of it, as data.
        measured: every method on every task, case by case.
        dataset: what it was measured on.
    """

    report: Report
    measured: Sequence[Measured]
    dataset: Dataset

    def table(self, *, intervals: bool = False, frame: Kind | None = None) -> Frame:
        """A row a method and task, best first: ``task``, ``split``, ``method``, ``n`` (cases) and
        a column a metric.

        Args:
            intervals: the bounds of each metric's 95 % interval beside it, ``<metric> low`` and
                ``<metric> high``.
            frame: ``polars`` or ``pandas``; None: as the data came.
        """
        from p5rec.evaluate.blocks import blocks

        rows: list[dict[str, Any]] = []
        for block in blocks(self.report):
            for method in block.methods:
                row: dict[str, Any] = {"task": method.task, "split": method.split}
                row |= {"method": method.name, "n": method.n}
                for name, found in method.metrics.items():
                    row[name] = found.value
                    if intervals:
                        row |= {f"{name} low": found.low, f"{name} high": found.high}
                rows.append(row)
        return self._out(pl.DataFrame(rows, infer_schema_length=None), frame)

    def compare(self, a: str, b: str, frame: Kind | None = None) -> Frame:
        """How much better ``a`` is than ``b``, over the users of both: ``task``, ``metric``,
        ``value`` (a less b), ``low`` and ``high`` (95 %), ``p``, ``verdict``, ``sentence``.

        Several comparisons are chances to claim something: name them all in ``compare`` of
        :func:`evaluate`, and their report corrects for their number.

        Raises:
            UserError: one of them was not measured, or they were not on the same cases.
        """
        return self._out(_comparison_frame(self._compared([(a, b)])), frame)

    @property
    def comparisons(self) -> Frame:
        """Those of the report, rows as those of :meth:`compare`."""
        return self._out(_comparison_frame(self.report.comparisons), None)

    def plot(self) -> Picture:
        """The main metrics with their intervals, as a picture that a notebook shows."""
        from p5rec.report.plots import metric_figure

        return metric_figure(self.report)

    def save(self, folder: str | Path) -> None:
        """Writes ``report.html``, ``report.md``, ``report.json``, the cases and pictures.

        Raises:
            UserError: the disk is full, or does not let us write there.
        """
        write(self.report, self.measured, self.dataset.corpus, Path(folder).expanduser())

    def _compared(self, pairs: Pairs) -> list[Comparison]:
        from p5rec.evaluate.compare import comparisons

        known = {entry.method.name for entry in self.measured}
        for name in (name for pair in pairs for name in pair):
            if name not in known:
                raise input_error("compare", "a method", repr(name), did_you_mean(name, known))
        found = comparisons(self.measured, pairs, self.dataset.config.seed)
        if not found:
            raise UserError(
                f"compare: expected methods measured on the same cases, got {pairs[0]}; "
                "evaluate them on one task"
            )
        return found

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
    prompts: Mapping[str, int] | None = None,
    allow_seen: bool = False,
    other_items: bool = False,
    compare: Pairs = (),
    k: int | None = None,
    exclude_seen: bool | None = None,
) -> Evaluation:
    """Measures models on the held-out events of ``data``, against its whole catalogue.

    Args:
        models: by the name that reports give them; several models under one name are runs with
            other seeds, and stand there as their mean. A frame in place of a model holds lists
            that were made elsewhere: ``user``, ``rank`` (from 1), ``item``, and ``score`` where
            there is one; a user of whom it has none counts as a miss.
        data: the data set, under a split.
        on: ``test``, or ``valid``, where methods are chosen.
        prompts: task → held-out questions that are put to each model which answers it
            (``{"rating": 500}``); None: those that a loaded model was measured by.
        allow_seen: measure a model that learned from the events it is measured on; the report says
            so.
        other_items: measure models that know other items than the data, such as yesterday's on the
            events of today, by their lists: what a model does not know is left out of the histories
            that it reads, and is a miss where it is asked for. The report says how many.
        compare: pairs of names for the report; the first is claimed to be better.
        k: items a list; None: as saved, 20 of a fresh model.
        exclude_seen: lists leave out what a history holds; None: as saved.

    Raises:
        UserError: a model learned from events of that part, has other items, or is asked for what
            it does not offer; or a frame holds no lists.
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
        answered = {
            name: [answers_of(name, each, prepared, data, on, stack) for each in own]
            for name, own in queries.items()
        }
        measured, samples = measure(answered, prepared, on, data.config.seed)
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
            "part": on,
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
    found = Evaluation(report, measured, data)
    if compare:
        found._compared(compare)
    return found


def compare(models: Models, data: Dataset, on: SplitName = "test", **settings: Any) -> Frame:
    """The first of ``models`` against each of the others, corrected for their number; arguments as
    those of :func:`evaluate`, rows as those of :meth:`Evaluation.compare`."""
    first, *others = models
    pairs = [(first, other) for other in others]
    return evaluate(models, data, on, compare=pairs, **settings).comparisons


def _named(runs: Mapping[str, Sequence[Model]]) -> Iterator[tuple[str, Model]]:
    for name, each in runs.items():
        for model in each:
            yield name, model


def _runs(models: Models | Model) -> tuple[dict[str, Sequence[Model]], dict[str, Frame]]:
    """The models, and the frames of lists, by name."""
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
        raise UserError("evaluate: expected models, got none; name one at least")
    return runs, frames


def _imported(name: str, frame: Frame, data: Dataset, on: SplitName) -> Imported:
    """Lists out of a frame, measured.

    Raises:
        UserError: it is no frame, lacks a column, or holds no lists.
    """
    from p5rec.recommend.imported import COLUMNS, OPTIONAL

    table, where = to_polars(frame, name, [*COLUMNS, *OPTIONAL]), Path(name)
    if missing := next((column for column in COLUMNS if column not in table.columns), None):
        raise input_error(name, f"a column {missing!r}", "none", "name it so")
    if not len(table):
        raise input_error(name, "at least one row", "none", "fill the frame")
    rows = table.with_row_index("row", offset=1)
    return measure_imported(name, rows, where, data.corpus, on, data.config.seed, {})


class Allowed(NamedTuple):
    """What models may be: such as have seen what they are measured on, or know other items."""

    seen: bool
    other_items: bool


def _checked(name: str, model: Model, data: Dataset, on: SplitName, allow: Allowed) -> list[str]:
    """Notes on a model.

    Raises:
        UserError: it has other items, or has learned from the events that it is measured on.
    """
    notes = []
    if model.dataset is not data:
        try:
            notes = known_items(name, model.folder, data.corpus, model.ids, allow.other_items)
        except UserError as error:
            raise UserError(*(f"{name}: {line}" for line in error.lines)) from None
    notes += check_unseen(name, model.folder, data.corpus, on, allow_seen=allow.seen)
    return notes if model.provenance is None else [*notes, model.provenance.sentence(name)]


def _rules(
    queries: Mapping[str, Sequence[Query]], lists: Mapping[str, Imported], seed: int, pairs: Pairs
) -> Rules:
    """
    Raises:
        UserError: some lists leave out what a user has seen, and others do not.
    """
    from p5rec.evaluate.assemble import Rules

    serving = [(name, each.serving) for name, own in queries.items() for each in own]
    holding = [name for name, own in lists.items() if not own.exclude_seen]
    repeating = [name for name, each in serving if not each.exclude_seen]
    leaving = [name for name, each in serving if each.exclude_seen]
    if leaving and (holding or repeating):
        raise UserError(
            "evaluate: expected lists that all may hold what a user has seen, or none, got "
            f"{(holding or repeating)[0]} with such items and {leaving[0]} without; "
            f"say exclude_seen={not holding}"
        )
    seeds = sorted({each.fit_seed for _, each in serving}) or [0]
    exclude = bool(leaving) if serving else not holding
    return Rules(seed, seeds, pairs, exclude_seen=exclude, ours=not lists)


def _comparison_frame(found: Sequence[Comparison]) -> pl.DataFrame:
    columns = ("a", "b", "task", "split", "metric", "value", "low", "high")
    rows = [
        {
            **{name: getattr(one, name) for name in columns},
            "p": one.p if one.p_adjusted is None else one.p_adjusted,
            "verdict": one.verdict,
            "sentence": one.sentence,
        }
        for one in found
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
