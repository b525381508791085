"""The stages that query a method once and cache its predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, digest
from p5rec.core.types import Corpus
from p5rec.methods.answering import predict
from p5rec.methods.base import Method
from p5rec.methods.baselines.text_rows import has_people_s_words, shows_words
from p5rec.methods.fitted import Fitted
from p5rec.methods.queries import answer_questions
from p5rec.methods.registry import METHODS, RATING, TEXT, baseline
from p5rec.prompting.view import unnamed_view
from p5rec.recommend.ask import FamilyAnswers
from p5rec.recommend.model_answers import read_asked
from p5rec.recommend.references import Reference
from p5rec.recommend.serving import ServingConfig

from .fitting import fit_method
from .prepared import Prepared


def ask_fitted(fitted: Fitted, serving: ServingConfig, prepared: Prepared, part: str) -> Artefact:
    """The stage of a fitted method's predictions for a held-out part."""
    serving = serving.about(part)
    return prepared.store.stage(
        "answers",
        partial(_predict, fitted.method, fitted.folder, serving, prepared.corpus, part),
        config={"part": part, **serving.dump()},
        code=(_predict, *fitted.method.queried_by),
        inputs={"data": prepared.data, "model": fitted.complete},
        what=fitted.method.kind,
    )


def _predict(
    method: Method, model: Path, serving: ServingConfig, corpus: Corpus, part: str, folder: Path
) -> Lineage:
    predict(method, method.load(model), serving, corpus, part, folder)
    return Lineage.none()


def ask_references(
    folders: Iterable[Path], prepared: Prepared, without: Collection[str] = ()
) -> list[Reference]:
    """The rating and text baselines beside the answers in ``folders``, once on the same rows.

    Args:
        folders: answers of methods (:func:`ask_fitted`).
        without: names of baselines that the recipe has as methods of its own.
    """
    every = [a for folder in folders for a in read_asked(folder) if not a.unseen]
    rated = {tuple(a.events): a for a in every if a.answer == "rating"}
    texts = {(a.task, *a.events, *a.expected): a for a in every if a.answer == "text"}
    view, found = unnamed_view(prepared.corpus), []
    for asked in rated.values():
        for name in RATING:
            if name not in without:
                (fitted,) = fit_method(baseline(name), prepared)
                found.append(question_fitted(name, fitted, asked, prepared))
    for asked in texts.values():
        if not has_people_s_words(view, asked.task):
            continue
        for name in TEXT:
            kind = METHODS.get(name)
            if name in without or (kind.needs_shown and not shows_words(asked.task)):
                continue
            method = kind(task=asked.task, max_words=asked.max_words)
            (fitted,) = fit_method(method, prepared)
            found.append(question_fitted(name, fitted, asked, prepared))
    return found


def question_fitted(
    name: str, fitted: Fitted, asked: FamilyAnswers, prepared: Prepared
) -> Reference:
    """The stage of a fitted method's answers to the questions ``asked``."""
    about = dict(fitted.about)
    if asked.answer == "text":
        read = fitted.made.manifest["lineage"]["events_seen"]
        about = {"train_seconds": about["train_seconds"], "events_read": read}
    made = prepared.store.stage(
        "reference",
        partial(_answer, fitted.method, fitted.folder, prepared.corpus, asked),
        config={"rows": digest([asked.events, asked.users, asked.items]), "task": asked.task},
        code=(_answer, *fitted.method.queried_by),
        inputs={"data": prepared.data, "model": fitted.complete},
        what=name,
    )
    return Reference(name, asked, made, about)


def _answer(
    method: Method, model: Path, corpus: Corpus, asked: FamilyAnswers, folder: Path
) -> Lineage:
    answer_questions(method, model, corpus, asked, folder)
    return Lineage.none()
