"""The stages that query a method once and cache what it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, Store, digest
from p5rec.core.types import PARTS, Corpus
from p5rec.data.train_events import swapped
from p5rec.evaluate.families import Reference
from p5rec.methods.base import Method
from p5rec.methods.queries import answer_questions
from p5rec.methods.registry import METHODS
from p5rec.models.linear import linear_file
from p5rec.recommend.list_files import answer
from p5rec.recommend.model_answers import answer_bundle
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.predictions import Predictions
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

from .fitting import Fitted, fit_method


def list_fitted(
    fitted: Fitted,
    corpus: Corpus,
    data: Artefact,
    store: Store,
    *,
    part: str,
    k: int,
    exclude_seen: bool,
) -> Artefact:
    """The stage of a fitted method's lists for the users of a held-out part."""
    return store.stage(
        "answers",
        partial(_list, fitted.method, fitted.folder, corpus, part, k, exclude_seen=exclude_seen),
        config={"part": part, "k": k, "exclude_seen": exclude_seen},
        code=(_list, METHODS.target(fitted.method.kind)),
        inputs={"data": data, "model": fitted.made},
    )


def _list(
    method: Method,
    model: Path,
    corpus: Corpus,
    part: str,
    k: int,
    folder: Path,
    *,
    exclude_seen: bool,
) -> Lineage:
    if method.permute_histories:
        corpus = swapped(
            corpus, [name for name in PARTS if PARTS[name] < PARTS[part]], corpus.split.seed
        )
    answer(method.load(model), corpus, part, k, folder, {}, exclude_seen=exclude_seen)
    return Lineage.none()


def ask_model(
    name: str,
    serving: ServingConfig,
    corpus: Corpus,
    data: Artefact,
    model: Artefact,
    store: Store,
    *,
    part: str = "test",
    linear: Artefact | None = None,
) -> Artefact:
    """The stage of a trained model: its answers for a held-out part (see
    :func:`p5rec.recommend.model_answers.answer_model`).

    Args:
        linear: what its lists add to the model's; None: nothing.
    """
    beside = linear_file(linear)
    return store.stage(
        "answers",
        partial(answer_bundle, name, model.path / "bundle", beside, serving, corpus, part),
        config={"part": part, **serving.dump()},
        code=(answer_bundle, *map(TASKS.target, TASKS)),
        inputs={"data": data, "model": model, **({"linear": linear} if linear else {})},
    )


def ask_references(
    asked: Iterable[Predictions],
    corpus: Corpus,
    data: Artefact | str,
    store: Store,
    without: Collection[str] = (),
) -> list[Reference]:
    """The reference baselines of every task beside the answers to its questions, once a question.

    Args:
        asked: predictions of methods.
        data: the prepared ``corpus``, or what tells it from others.
        without: names of baselines that the recipe has as methods of its own.
    """
    view, found = unnamed_view(corpus), []
    every = {digest(a.unanswered().dump()): a.unanswered() for a in asked if not a.unseen}
    for questions in every.values():
        for name in TASKS.get(questions.task).references:
            method = METHODS.get(name).reference(questions, view)
            if method is None or name in without:
                continue
            (fitted,) = fit_method(method, corpus, data, store)
            found.append(question_fitted(name, fitted, questions, corpus, data, store))
    return found


def question_fitted(
    name: str,
    fitted: Fitted,
    asked: Predictions,
    corpus: Corpus,
    data: Artefact | str,
    store: Store,
) -> Reference:
    """The stage of a fitted method's answers to the questions ``asked``."""
    made = store.stage(
        "reference",
        partial(_answer, fitted.method, fitted.folder, corpus, asked),
        config={"questions": digest(asked.dump())},
        code=(_answer, METHODS.target(fitted.method.kind), TASKS.target(asked.task)),
        inputs={"data": data, "model": fitted.made},
    )
    read = fitted.made.manifest["lineage"]["events_seen"]
    return Reference(name, made, {**fitted.about, "events_read": read})


def _answer(
    method: Method, model: Path, corpus: Corpus, asked: Predictions, folder: Path
) -> Lineage:
    answer_questions(method, model, corpus, asked, folder)
    return Lineage.none()
