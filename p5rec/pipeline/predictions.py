"""The stages that query a method once and cache its predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, digest, write_json
from p5rec.core.progress import progress_bars
from p5rec.core.types import Corpus
from p5rec.evaluate.config import entry_name
from p5rec.evaluate.families import Reference
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.predicting import predict
from p5rec.methods.queries import predict_queries
from p5rec.methods.registry import METHODS
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.predictions import FILE, Predictions
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

from .fitting import fit_method
from .prepared import Prepared


def predict_fitted(
    fitted: Fitted, serving: ServingConfig, prepared: Prepared, split_name: str
) -> Artefact:
    """The stage of a fitted method's predictions for a held-out split."""
    return prepared.store.stage(
        "predictions",
        partial(_predict, fitted.method, fitted.folder, serving, prepared.corpus, split_name),
        config={"split": split_name, **serving.dump()},
        code=(_predict, *fitted.method.queried_by, *map(TASKS.target, TASKS)),
        inputs={"data": prepared.data, "model": fitted.model_stage},
        what=fitted.name,
    )


def _predict(
    method: Method,
    model: Path,
    serving: ServingConfig,
    corpus: Corpus,
    split_name: str,
    folder: Path,
) -> Lineage:
    predict(method, method.load(model), serving, corpus, split_name, folder)
    return Lineage.none()


def predict_references(
    predictions: Iterable[Predictions], prepared: Prepared, without: Collection[str] = ()
) -> list[Reference]:
    """The reference baselines of every task on its test instances, once for equal instances.

    Where the prompt families of a task differ in their instances, a baseline's name has the family.

    Args:
        predictions: of methods; baselines are evaluated on the same test instances.
        prepared: the data.
        without: names of baselines that are methods of the recipe.
    """
    view, references = unnamed_view(prepared.corpus), []
    query_sets = [(each.queries_only(), each.family) for each in predictions if not each.held_out]
    distinct = {digest(queries.dump()): (queries, family) for queries, family in query_sets}
    counts = Counter(queries.task for queries, _ in distinct.values())
    for queries, family in distinct.values():
        detail = family if counts[queries.task] > 1 else ""
        for name in TASKS.get(queries.task).references:
            method = METHODS.get(name).reference(queries, view)
            if method is not None and name not in without:
                (fitted,) = fit_method(method, prepared, name=name)
                named = entry_name(name, detail)
                references.append(_reference(named, fitted, queries, prepared))
    return references


def _reference(name: str, fitted: Fitted, queries: Predictions, prepared: Prepared) -> Reference:
    """The stage of a baseline's predictions for ``queries``."""
    method = fitted.method
    stage = prepared.store.stage(
        "reference",
        partial(_predict_queries, method, fitted.folder, prepared.corpus, queries),
        config={"queries": digest(queries.dump())},
        code=(_predict_queries, *method.queried_by, TASKS.target(queries.task)),
        inputs={"data": prepared.data, "model": fitted.model_stage},
        what=name,
    )
    n_events = fitted.fit_stage.manifest["lineage"]["events_seen"]
    return Reference(name, stage, {**fitted.about, "events_read": n_events})


def _predict_queries(
    method: Method, model: Path, corpus: Corpus, queries: Predictions, folder: Path
) -> Lineage:
    with progress_bars():
        predictions = predict_queries(method.load(model), queries, corpus, corpus)
    write_json(folder / FILE, predictions.dump())
    return Lineage.none()
