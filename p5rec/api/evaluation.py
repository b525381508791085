"""Fitted models measured on held-out events: tables, comparisons, a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from p5rec.core.artefacts import LINEAGE, Lineage
from p5rec.core.errors import UserError, did_you_mean, fault
from p5rec.core.types import Corpus
from p5rec.evaluate.schema import Comparison, Part, Report, Sample
from p5rec.methods.base import LISTS
from p5rec.methods.folder import check_items

from .dataset import Dataset
from .frames import Frame, Kind, to_kind
from .model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from p5rec.evaluate.answers import Answered
    from p5rec.evaluate.measured import Measured
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.serving import ServingConfig

SAMPLES = 10  # answers that a report shows, of each kind
Pairs = Sequence[tuple[str, str]]
Models = Mapping[str, Model | Sequence[Model]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Attributes:
        report: all of it, as data.
        measured: every method on every task, case by case.
        dataset: what it was measured on.
    """

    report: Report
    measured: Sequence[Measured] = field(repr=False)
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
                for name, measure in method.metrics.items():
                    row[name] = measure.value
                    if intervals:
                        row |= {f"{name} low": measure.low, f"{name} high": measure.high}
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

    def plot(self) -> Figure:
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
                raise fault("compare", "a method", repr(name), did_you_mean(name, known))
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

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def evaluate(
    models: Models | Model,
    data: Dataset,
    on: Part = "test",
    *,
    ask: Mapping[str, int] | None = None,
    allow_seen: bool = False,
    compare: Pairs = (),
    k: int | None = None,
    exclude_seen: bool | None = None,
) -> Evaluation:
    """Measures models on the held-out events of ``data``, against its whole catalogue.

    Args:
        models: by the name that reports give them; several models under one name are runs with
            other seeds, and stand there as their mean.
        data: the data set, under a split.
        on: ``test``, or ``valid``, where methods are chosen.
        ask: task → held-out questions that are put to each model which answers it
            (``{"rating": 500}``); None: those that a loaded model was measured by.
        allow_seen: measure a model that learned from the events it is measured on; the report says
            so.
        compare: pairs of names for the report; the first is claimed to be better.
        k: items a list; None: as saved, 20 of a fresh model.
        exclude_seen: lists leave out what a history holds; None: as saved.

    Raises:
        UserError: a model learned from events of that part, has other items, or is asked for what
            it does not offer.
    """
    from p5rec.evaluate.assemble import Rules, assemble

    started = time.perf_counter()
    if on not in ("test", "valid"):
        raise fault("evaluate: on", "test or valid", repr(on), "name one of them")
    named = {models.method.kind: models} if isinstance(models, Model) else models
    runs = {name: [one] if isinstance(one, Model) else [*one] for name, one in named.items()}
    if not runs or not all(runs.values()):
        raise UserError("evaluate: expected models, got none; name one at least")
    prepared = data.prepared(verbose=False)
    notes: list[str] = []
    for name, model in _named(runs):
        lineage = model.files().get(LINEAGE)
        where = None if lineage is None else lineage.parent
        notes += check_unseen(name, where, data.corpus, on, allow_seen=allow_seen)
        if model.dataset is not data:
            _check_items(name, model, data)
    asked = {
        name: [_as_asked(name, model, on, ask, k, exclude_seen) for model in each]
        for name, each in runs.items()
    }
    rules = {each.serving.exclude_seen for own in asked.values() for each in own}
    if len(rules) > 1:
        raise UserError(
            "evaluate: expected models whose lists hold seen items alike, got both; "
            "say exclude_seen=True or False"
        )
    with ExitStack() as stack:
        answered = {
            name: [_answered(name, each, prepared, data, on, stack) for each in own]
            for name, own in asked.items()
        }
        measured, samples = measure(answered, prepared, on, data.config.seed)
    seeds = sorted({each.serving.fit_seed for own in asked.values() for each in own})
    report = assemble(
        data.corpus,
        measured,
        Rules(data.config.seed, seeds, compare, exclude_seen=rules.pop()),
        seconds=time.perf_counter() - started,
        manifest={
            "command": "p5rec.evaluate",
            "data": data.config.dump(),
            "part": on,
            "methods": {n: [one.method.dump() for one in each] for n, each in asked.items()},
        },
        notes=notes,
        samples=samples,
    )
    found = Evaluation(report, measured, data)
    if compare:
        found._compared(compare)
    return found


def compare(models: Models, data: Dataset, on: Part = "test", **settings: Any) -> Frame:
    """The first of ``models`` against each of the others, corrected for their number; arguments as
    those of :func:`evaluate`, rows as those of :meth:`Evaluation.compare`."""
    first, *others = models
    pairs = [(first, other) for other in others]
    return evaluate(models, data, on, compare=pairs, **settings).comparisons


def measure(
    answered: Mapping[str, Sequence[Answered]], prepared: Prepared, part: Part, seed: int
) -> tuple[list[Measured], list[Sample]]:
    """The figures of methods, and of the reference baselines on the questions they were asked.

    Args:
        answered: what each answered about ``part``, one a seed; figures are means over these.
        prepared: the data, and where references are cached.
        seed: of the bootstrap.

    Returns:
        The figures, and answers of the first seed to look at.
    """
    from p5rec.evaluate.answers import list_references, measure_answers
    from p5rec.evaluate.families import measure_reference
    from p5rec.evaluate.measured import average
    from p5rec.pipeline.answers import ask_references
    from p5rec.recommend.model_answers import read_asked
    from p5rec.tasks.view import unnamed_view

    corpus = prepared.corpus
    measured, samples = list[Any](), list[Sample]()
    for runs in answered.values():
        each = []
        for nth, run in enumerate(runs):
            shown = 0 if nth else SAMPLES
            figures, seen = measure_answers(run, corpus, part, seed=seed, shown=shown)
            each.append(figures)
            samples += seen
        measured += [average(found, seed) for found in zip(*each, strict=True)]
    asked = [every for runs in answered.values() for every in read_asked(runs[0].folder)]
    view, facts = unnamed_view(corpus), {"split": part, "seed": seed}
    for reference in ask_references(asked, prepared, answered):
        measured.append(measure_reference(reference, view, facts))
    return [*measured, *list_references(answered, corpus, part, seed)], samples


def write(report: Report, measured: Sequence[Measured], corpus: Corpus, out: Path) -> None:
    """Writes the report, its pages, pictures and cases into ``out``: all of them, or none.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    from p5rec.core.publishing import lay_out
    from p5rec.evaluate.per_user import write_cases
    from p5rec.report.files import write_report

    with TemporaryDirectory() as made:
        write_report(report, Path(made))
        write_cases(measured, corpus, Path(made))
        lay_out({path.name: path for path in Path(made).iterdir()}, out)


def check_unseen(
    name: str, folder: Path | None, corpus: Corpus, part: Part, *, allow_seen: bool
) -> list[str]:
    """What a reader must know of the events that a model, or one that it began from, learned from.

    Args:
        name: of the model.
        folder: holds its lineage; None: there is none.
        corpus: what it is measured on.
        part: the held-out events.
        allow_seen: it may have learned from these.

    Raises:
        UserError: it learned from some of ``part``, and may not.
    """
    if folder is None or not (folder / LINEAGE).is_file():
        return [f"{name} has no {LINEAGE}: it may have seen what it is measured on."]
    split, seen = corpus.split, Lineage.read(folder).among(corpus.interactions.event_keys)
    measured, others = split.mask(part), ~split.mask("train")
    count, total = int((seen & measured).sum()), int(measured.sum())
    if count and not allow_seen:
        raise UserError(
            f"{name}: expected a model that did not learn from what it is measured on, got one "
            f"that learned from {count:,} of the {total:,} {part} events; fit it under this split, "
            "or allow it (allow_seen)"
        )
    if count:
        return [
            f"{name} learned from {count:,} of the {total:,} {part} events that it is measured on: "
            "its figures say nothing of new events."
        ]
    if elsewhere := int((seen & others).sum()):
        return [
            f"{name} learned from {elsewhere:,} of the {others.sum():,} events that do not train "
            f"here, none of them {part} events."
        ]
    return []


@dataclass(frozen=True)
class _Asked:
    """A model as it is measured."""

    model: Model
    method: Any
    serving: ServingConfig


def _named(runs: Mapping[str, Sequence[Model]]) -> Iterator[tuple[str, Model]]:
    for name, each in runs.items():
        for model in each:
            yield name, model


def _check_items(name: str, model: Model, data: Dataset) -> None:
    try:
        check_items(model.folder, data.corpus)
    except UserError as error:
        raise UserError(*(f"{name}: {line}" for line in error.lines)) from None


def _as_asked(
    name: str,
    model: Model,
    on: Part,
    ask: Mapping[str, int] | None,
    k: int | None,
    exclude_seen: bool | None,
) -> _Asked:
    """How a model is asked.

    Raises:
        UserError: it answers nothing that is asked.
    """
    questions = None if ask is None else {t: n for t, n in ask.items() if t in model.method.tasks}
    method = model.method.overridden(model.folder, {"k": k})
    serving = model.serving.overridden(
        f"{name}: evaluate", k=k, exclude_seen=exclude_seen, questions=questions
    )
    if ask is None:
        serving = serving.about(on)
    if not serving.questions and LISTS not in method.capabilities:
        answers = ", ".join(method.tasks) or "nothing"
        raise UserError(
            f"{name}: expected a model that ranks, or ask= with a task that it answers, got a "
            f"{method.kind}, which answers {answers}; say ask={{{method.tasks[0]!r}: 500}}"
        )
    return _Asked(model, method, serving)


def _answered(
    name: str, asked: _Asked, prepared: Prepared, data: Dataset, on: Part, stack: ExitStack
) -> Answered:
    """What a model answers: kept by the stage of a recipe where it was fitted to these data."""
    from p5rec.evaluate.answers import Answered
    from p5rec.evaluate.footing import learned_facts
    from p5rec.methods.answering import predict
    from p5rec.pipeline.answers import ask_fitted

    model, method, fitted = asked.model, asked.method, asked.model.fitted
    about: dict[str, Any] = {"train_seconds": 0.0}
    if fitted is not None:
        facts = learned_facts(name, {name: method}) if method.prompted else {}
        about = {**fitted.about, **facts}
    if fitted is not None and model.dataset is not None and model.dataset.data.key == data.data.key:
        same = replace(fitted, method=method)
        folder = ask_fitted(same, asked.serving, prepared, on).path
    else:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        predictor = method.opened(model.folder, download=True)
        predict(method, predictor, asked.serving, data.corpus, on, folder)
    codes = model.folder / "codes"
    return Answered(name, folder, method, codes if codes.is_dir() else None, about)


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
