"""Models queried about held-out events, and what is measured of their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from p5rec.core.artefacts import LINEAGE, Lineage, read_json
from p5rec.core.errors import UserError, input_error
from p5rec.core.types import Corpus
from p5rec.evaluate.schema import Report, Sample, SplitName
from p5rec.ids.files import load_item_ids
from p5rec.methods.base import LISTS, Method
from p5rec.methods.folder import ITEMS, check_items

from .dataset import Dataset
from .model import Model

if TYPE_CHECKING:
    from p5rec.evaluate.answers import Answered
    from p5rec.evaluate.measured import Measured
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.serving import ServingConfig

SAMPLES = 10  # answers that a report shows, of each kind


@dataclass(frozen=True)
class Query:
    """A model as it is measured.

    Attributes:
        model: the model.
        method: its settings, those of this query among them.
        serving: how it is queried.
    """

    model: Model
    method: Method
    serving: ServingConfig


def query_of(
    name: str,
    model: Model,
    on: SplitName,
    prompts: Mapping[str, int] | None,
    k: int | None,
    exclude_seen: bool | None,
) -> Query:
    """How a model is queried; arguments as those of :func:`p5rec.api.evaluation.evaluate`.

    Raises:
        UserError: it answers nothing that is asked.
    """
    questions = (
        None if prompts is None else {t: n for t, n in prompts.items() if t in model.method.tasks}
    )
    method = model.method.overridden(model.folder, {"k": k})
    serving = model.serving.overridden(
        f"{name}: evaluate", k=k, exclude_seen=exclude_seen, prompts=questions
    )
    if prompts is None:
        serving = serving.about(on)
    if not serving.prompts and LISTS not in method.capabilities:
        answers = ", ".join(method.tasks) or "nothing"
        raise UserError(
            f"{name}: expected a model that ranks, or prompts= with a task that it answers, got a "
            f"{method.kind}, which answers {answers}; say prompts={{{method.tasks[0]!r}: 500}}"
        )
    return Query(model, method, serving)


def answers_of(
    name: str, query: Query, prepared: Prepared, data: Dataset, on: SplitName, stack: ExitStack
) -> Answered:
    """What a model answers: kept by the stage of a recipe where it was fitted to these data."""
    from p5rec.evaluate.answers import Answered
    from p5rec.evaluate.footing import learned_facts
    from p5rec.methods.answering import predict
    from p5rec.pipeline.answers import predict_fitted

    model, method, fitted = query.model, query.method, query.model.fitted
    about: dict[str, Any] = {"train_seconds": 0.0}
    if fitted is not None:
        facts = learned_facts(name, {name: method}) if method.prompted else {}
        about = {**fitted.about, **facts}
    if fitted is not None and model.dataset is not None and model.dataset.data.key == data.data.key:
        same = replace(fitted, method=method)
        folder = predict_fitted(same, query.serving, prepared, on).path
    else:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        predictor = method.opened(model.folder, model.ids, download=True)
        asked = over(predictor, query.serving, model.folder, data.corpus, model.ids)
        predict(method, *asked, data.corpus, on, folder)
    codes = codes_for(model.ids or model.folder / "codes", data.corpus)
    return Answered(name, folder, method, codes, about)


@dataclass(frozen=True)
class Imported:
    """Lists that were made elsewhere, measured.

    Attributes:
        measured: their figures.
        exclude_seen: whether none of them holds an item of its user's history.
        notes: what a reader of the figures must know.
        samples: some to look at.
    """

    measured: Measured
    exclude_seen: bool
    notes: list[str]
    samples: list[Sample]


def measure_imported(
    name: str,
    table: pl.DataFrame,
    where: Path,
    corpus: Corpus,
    split_name: SplitName,
    seed: int,
    about: Mapping[str, Any],
) -> Imported:
    """The figures of lists in a table; arguments as those of
    :func:`p5rec.recommend.imported.import_lists`.

    Args:
        name: as reports call them.
        where: the table's file, or what it is called.
        seed: of the bootstrap.
        about: facts for the report.
    """
    from p5rec.evaluate.answers import measure_lists
    from p5rec.evaluate.samples import list_samples
    from p5rec.recommend.imported import import_lists, lists_seen

    lists, notes = import_lists(table, where, corpus, split_name)
    return Imported(
        measure_lists(name, lists, corpus, about, seed, split_name),
        not lists_seen(lists, corpus, split_name),
        notes,
        list_samples(name, lists, corpus, SAMPLES, seed, split_name),
    )


def measure(
    answered: Mapping[str, Sequence[Answered]], prepared: Prepared, split_name: SplitName, seed: int
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
    from p5rec.pipeline.answers import predict_references
    from p5rec.recommend.model_answers import read_asked
    from p5rec.tasks.view import unnamed_view

    corpus = prepared.corpus
    measured, samples = list[Any](), list[Sample]()
    for runs in answered.values():
        each = []
        for nth, run in enumerate(runs):
            shown = 0 if nth else SAMPLES
            figures, seen = measure_answers(run, corpus, split_name, seed=seed, shown=shown)
            each.append(figures)
            samples += seen
        measured += [average(found, seed) for found in zip(*each, strict=True)]
    asked = [every for runs in answered.values() for every in read_asked(runs[0].folder)]
    view, facts = unnamed_view(corpus), {"split": split_name, "seed": seed}
    for reference in predict_references(asked, prepared, answered):
        measured.append(measure_reference(reference, view, facts))
    return [*measured, *list_references(answered, corpus, split_name, seed)], samples


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


def known_items(
    name: str, folder: Path, corpus: Corpus, ids: Path | None, others: bool
) -> list[str]:
    """What a reader must know of the items that a model knows.

    Args:
        name: of the model.
        folder: its own.
        corpus: what it is measured on.
        ids: codes that extend the model's own; None: there are none.
        others: its items may be others than those of ``corpus``.

    Raises:
        UserError: they are, and may not.
    """
    if not others or ids is not None:
        check_items(folder, corpus, ids)
        return []
    known, here = {*read_json(folder / ITEMS)["ids"]}, corpus.catalog.ids
    count = sum(item in known for item in here)
    if len(known) == count == len(here):
        return []
    return [
        f"{name} knows {count:,} of the {len(here):,} items: the others are left out of the "
        "histories that it reads, and are misses where they are asked for."
    ]


def codes_for(codes: Path, corpus: Corpus) -> Path | None:
    """A folder of semantic ids, if it is there and they are those of the items of ``corpus``."""
    if not codes.is_dir() or load_item_ids(codes) != corpus.catalog.ids:
        return None
    return codes


def over(
    predictor: Any, serving: ServingConfig, folder: Path, corpus: Corpus, ids: Path | None = None
) -> tuple[Any, ServingConfig]:
    """The predictor in ``folder`` over the items of ``corpus``, and how it is queried: for lists
    alone where it has others.

    Raises:
        UserError: it has others, and does not rank.
    """
    from p5rec.recommend.other_items import OverOtherItems

    known, here = read_json(folder / ITEMS)["ids"], corpus.catalog.ids
    if known == here or ids is not None:
        return predictor, serving
    if not hasattr(predictor, "recommend"):
        raise input_error(
            folder, "a model that ranks, to measure on other items", "one that does not",
            "measure it on the items that it was fitted to",
        )  # fmt: skip
    lists = serving.model_copy(update={"questions": {}})
    return OverOtherItems.of(predictor, known, here), lists


def check_unseen(
    name: str, folder: Path, corpus: Corpus, split_name: SplitName, *, allow_seen: bool
) -> list[str]:
    """What a reader must know of the events that a model, or one that it began from, learned from.

    Args:
        name: of the model.
        folder: its own, which holds its lineage if somebody noted that.
        corpus: what it is measured on.
        part: the held-out events.
        allow_seen: it may have learned from these.

    Raises:
        UserError: it learned from some of ``part``, and may not.
    """
    if not (folder / LINEAGE).is_file():
        return [f"{name} has no {LINEAGE}: it may have seen what it is measured on."]
    split, seen = corpus.split, Lineage.read(folder).among(corpus.interactions.event_keys)
    measured, others = split.mask(split_name), ~split.mask("train")
    count, total = int((seen & measured).sum()), int(measured.sum())
    if count and not allow_seen:
        raise UserError(
            f"{name}: expected a model that did not learn from what it is measured on, got one "
            f"that learned from {count:,} of the {total:,} {split_name} events; fit it under this split, "
            "or allow it (--allow-seen, allow_seen=True)"
        )
    if count:
        return [
            f"{name} learned from {count:,} of the {total:,} {split_name} events that it is measured on: "
            "its figures say nothing of new events."
        ]
    if elsewhere := int((seen & others).sum()):
        return [
            f"{name} learned from {elsewhere:,} of the {others.sum():,} events that do not train "
            f"here, none of them {split_name} events."
        ]
    return []
