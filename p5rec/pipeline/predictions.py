"""The stages that query a method once and cache its predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, digest, write_json
from p5rec.core.types import Corpus
from p5rec.evaluate.families import Reference
from p5rec.methods.predicting import predict
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
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
    """The stage of a fitted method's predictions for a held-out part."""
    serving = serving.about(split_name)
    return prepared.store.stage(
        "predictions",
        partial(_predict, fitted.method, fitted.folder, serving, prepared.corpus, split_name),
        config={"part": split_name, **serving.dump()},
        code=(_predict, *fitted.method.queried_by, *map(TASKS.target, TASKS)),
        inputs={"data": prepared.data, "model": fitted.model_stage},
        what=fitted.method.kind,
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
    asked: Iterable[Predictions], prepared: Prepared, without: Collection[str] = ()
) -> list[Reference]:
    """The reference baselines of every task beside the answers to its questions, once a question.

    Args:
        asked: predictions of methods.
        without: names of baselines that the recipe has as methods of its own.
    """
    view, found = unnamed_view(prepared.corpus), []
    posed = [each.queries_only() for each in asked if not each.held_out]
    every = {digest(questions.dump()): questions for questions in posed}
    for questions in every.values():
        for name in TASKS.get(questions.task).references:
            method = METHODS.get(name).reference(questions, view)
            if method is not None and name not in without:
                (fitted,) = fit_method(method, prepared)
                found.append(_reference(name, fitted, questions, prepared))
    return found


def _reference(name: str, fitted: Fitted, asked: Predictions, prepared: Prepared) -> Reference:
    """The stage of a baseline's answers to the questions ``asked``."""
    method = fitted.method
    made = prepared.store.stage(
        "reference",
        partial(_answer, method, fitted.folder, prepared.corpus, asked),
        config={"questions": digest(asked.dump())},
        code=(_answer, *method.queried_by, TASKS.target(asked.task)),
        inputs={"data": prepared.data, "model": fitted.model_stage},
        what=name,
    )
    read = fitted.fit_stage.manifest["lineage"]["events_seen"]
    return Reference(name, made, {**fitted.about, "events_read": read})


def _answer(
    method: Method, model: Path, corpus: Corpus, asked: Predictions, folder: Path
) -> Lineage:
    found = predict_queries(method.load(model), asked, corpus, corpus)
    write_json(folder / FILE, found.dump())
    return Lineage.none()
