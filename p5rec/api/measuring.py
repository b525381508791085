"""The predictions of models on held-out events, and their metrics."""

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
    from p5rec.evaluate.measured import Measured
    from p5rec.evaluate.predictions import MethodPredictions
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.serving import ServingConfig

SAMPLES = 10  # sampled predictions in a report, of each kind


@dataclass(frozen=True)
class Query:
    """A model with the settings of its evaluation.

    Attributes:
        model: the model.
        method: its config, with the settings of this evaluation.
        serving: how it is queried.
    """

    model: Model
    method: Method
    serving: ServingConfig


def query_of(
    name: str,
    model: Model,
    on: SplitName,
    prompts: Mapping[str, int | str] | None,
    k: int | None,
    exclude_seen: bool | None,
) -> Query:
    """How a model is queried; arguments as those of :func:`p5rec.api.evaluation.evaluate`.

    Raises:
        UserError: the model has none of the requested tasks.
    """
    queries = (
        None if prompts is None else {t: n for t, n in prompts.items() if t in model.method.tasks}
    )
    method = model.method.overridden(model.folder, {"k": k})
    serving = model.serving.overridden(
        f"{name}: evaluate", k=k, exclude_seen=exclude_seen, prompts=queries
    )
    if prompts is None:
        serving = serving.about(on)
    if not serving.prompts and LISTS not in method.capabilities:
        tasks = ", ".join(method.tasks) or "none"
        raise UserError(
            f"{name}: expected a model that ranks, or prompts= with one of its tasks, got a "
            f"{method.kind} with tasks {tasks}; set prompts={{{method.tasks[0]!r}: 500}}"
        )
    return Query(model, method, serving)


def predictions_of(
    name: str, query: Query, prepared: Prepared, data: Dataset, on: SplitName, stack: ExitStack
) -> MethodPredictions:
    """A model's predictions; those of a model fitted to these data come from the cached stage."""
    from p5rec.evaluate.cost import training_facts
    from p5rec.evaluate.predictions import MethodPredictions
    from p5rec.methods.predicting import predict
    from p5rec.pipeline.predictions import predict_fitted

    model, method, fitted = query.model, query.method, query.model.fitted
    about: dict[str, Any] = {"train_seconds": 0.0}
    if fitted is not None:
        facts = training_facts(name, {name: method}) if method.prompted else {}
        about = {**fitted.about, **facts}
    if fitted is not None and model.dataset is not None and model.dataset.data.key == data.data.key:
        same = replace(fitted, method=method)
        folder = predict_fitted(same, query.serving, prepared, on).path
    else:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        predictor = method.open_predictor(model.folder, model.ids, download=True)
        queried = match_catalog(predictor, query.serving, model.folder, data.corpus, model.ids)
        predict(method, *queried, data.corpus, on, folder)
    codes = codes_for(model.ids or model.folder / "codes", data.corpus)
    return MethodPredictions(name, folder, method, codes, about)


@dataclass(frozen=True)
class Imported:
    """Ranked lists from elsewhere, measured.

    Attributes:
        measured: their metrics.
        exclude_seen: whether no list has an item of its user's history.
        notes: notes for the report.
        samples: sampled lists.
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
    """The metrics of ranked lists in a table; arguments as those of
    :func:`p5rec.recommend.imported.import_lists`.

    Args:
        name: their name in reports.
        where: the table's file, or its name.
        seed: seed of the bootstrap.
        about: facts for the report.
    """
    from p5rec.evaluate.predictions import measure_lists
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
    by_method: Mapping[str, Sequence[MethodPredictions]],
    prepared: Prepared,
    split_name: SplitName,
    seed: int,
) -> tuple[list[Measured], list[Sample]]:
    """The metrics of methods, and of the reference baselines on the same queries.

    Args:
        by_method: predictions by method, one for each seed; metrics are means over the seeds.
        prepared: the data, and the store of the references.
        split_name: the split of the predictions.
        seed: seed of the bootstrap.

    Returns:
        The measured methods, and sampled predictions of the first seed.
    """
    from p5rec.evaluate.families import measure_reference
    from p5rec.evaluate.measured import average
    from p5rec.evaluate.predictions import list_references, measure_method
    from p5rec.pipeline.predictions import predict_references
    from p5rec.recommend.model_predictions import read_prompted
    from p5rec.tasks.view import unnamed_view

    corpus = prepared.corpus
    measured, samples = list[Any](), list[Sample]()
    for runs in by_method.values():
        each = []
        for nth, run in enumerate(runs):
            count = 0 if nth else SAMPLES
            entries, sampled = measure_method(run, corpus, split_name, seed=seed, samples=count)
            each.append(entries)
            samples += sampled
        measured += [average(same, seed) for same in zip(*each, strict=True)]
    prompted = [every for runs in by_method.values() for every in read_prompted(runs[0].folder)]
    view, facts = unnamed_view(corpus), {"split": split_name, "seed": seed}
    for reference in predict_references(prompted, prepared, by_method):
        measured.append(measure_reference(reference, view, facts))
    return [*measured, *list_references(by_method, corpus, split_name, seed)], samples


def write(report: Report, measured: Sequence[Measured], corpus: Corpus, out: Path) -> None:
    """Writes the report, its pages, pictures and test instances into ``out``, all or none.

    Raises:
        UserError: the disk is full, or the folder is not writable.
    """
    from p5rec.core.publishing import publish_outputs
    from p5rec.evaluate.per_user import write_per_user
    from p5rec.report.files import write_report

    with TemporaryDirectory() as work:
        write_report(report, Path(work))
        write_per_user(measured, corpus, Path(work))
        publish_outputs({path.name: path for path in Path(work).iterdir()}, out)


def item_notes(
    name: str, folder: Path, corpus: Corpus, ids: Path | None, others: bool
) -> list[str]:
    """Notes for the report on a model whose items differ from those of the data.

    Args:
        name: the model's name.
        folder: its folder.
        corpus: the data set of the evaluation.
        ids: codes that extend the model's own to new items; None: no new items.
        others: whether its items may differ from those of ``corpus``.

    Raises:
        UserError: the items differ, and may not.
    """
    if not others or ids is not None:
        check_items(folder, corpus, ids)
        return []
    known, here = {*read_json(folder / ITEMS)["ids"]}, corpus.catalog.ids
    count = sum(item in known for item in here)
    if len(known) == count == len(here):
        return []
    return [
        f"{name} knows {count:,} of the {len(here):,} items: its histories skip the others, and "
        "targets among them count as misses."
    ]


def codes_for(codes: Path, corpus: Corpus) -> Path | None:
    """A folder of semantic ids if it exists and has the items of ``corpus``; else None."""
    if not codes.is_dir() or load_item_ids(codes) != corpus.catalog.ids:
        return None
    return codes


def match_catalog(
    predictor: Any, serving: ServingConfig, folder: Path, corpus: Corpus, ids: Path | None = None
) -> tuple[Any, ServingConfig]:
    """A predictor for the items of ``corpus``, with its serving settings; without prompts where
    its own items differ.

    Raises:
        UserError: its items differ, and it does not rank.
    """
    from p5rec.recommend.other_items import OtherCatalogRecommender

    known, here = read_json(folder / ITEMS)["ids"], corpus.catalog.ids
    if known == here or ids is not None:
        return predictor, serving
    if not hasattr(predictor, "recommend"):
        raise input_error(
            folder, "a model that ranks, to evaluate on other items", "one that does not",
            "evaluate it on the items that it was fitted to",
        )  # fmt: skip
    lists = serving.model_copy(update={"prompts": {}})
    return OtherCatalogRecommender.of(predictor, known, here), lists


def check_lineage(
    name: str, folder: Path, corpus: Corpus, split_name: SplitName, *, allow_seen: bool
) -> list[str]:
    """Notes for the report on held-out events in the lineage of a model.

    Args:
        name: the model's name.
        folder: its folder, with its lineage if that is known.
        corpus: the data set of the evaluation.
        split_name: the held-out split.
        allow_seen: whether the model may have been fitted to events of the split.

    Raises:
        UserError: the model was fitted to events of the split, and may not.
    """
    if not (folder / LINEAGE).is_file():
        return [f"{name} has no {LINEAGE}: it may have been fitted to the held-out events."]
    split, seen = corpus.split, Lineage.read(folder).contains(corpus.interactions.event_keys)
    measured, others = split.mask(split_name), ~split.mask("train")
    count, total = int((seen & measured).sum()), int(measured.sum())
    if count and not allow_seen:
        raise UserError(
            f"{name}: expected a model that was not fitted to the held-out events, got one fitted "
            f"to {count:,} of the {total:,} {split_name} events; fit it under this split, or allow "
            "it (--allow-seen, allow_seen=True)"
        )
    if count:
        return [
            f"{name} was fitted to {count:,} of the {total:,} {split_name} events: its metrics do "
            "not apply to new events."
        ]
    if elsewhere := int((seen & others).sum()):
        return [
            f"{name} was fitted to {elsewhere:,} of the {others.sum():,} events outside this "
            f"training split, none of them {split_name} events."
        ]
    return []
