"""The stages that query a method once and cache what it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, Store, digest
from p5rec.core.types import PARTS, Corpus
from p5rec.data.train_events import swapped
from p5rec.methods.base import Method
from p5rec.methods.baselines.text_rows import has_people_s_words, shows_words
from p5rec.methods.queries import answer_questions
from p5rec.methods.registry import METHODS, RATING, TEXT, baseline
from p5rec.models.checkpoint import backbone_code
from p5rec.models.linear import linear_file
from p5rec.prompting.view import unnamed_view
from p5rec.recommend.ask import FamilyAnswers
from p5rec.recommend.list_files import answer
from p5rec.recommend.model_answers import answer_bundle, read_asked
from p5rec.recommend.references import Reference
from p5rec.recommend.serving import ServingConfig

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
    beside, bundle = linear_file(linear), model.path / "bundle"
    return store.stage(
        "answers",
        partial(answer_bundle, name, bundle, beside, serving, corpus, part),
        config={"part": part, **serving.dump()},
        code=(answer_bundle, backbone_code(bundle)),
        inputs={"data": data, "model": model, **({"linear": linear} if linear else {})},
    )


def ask_references(
    folders: Iterable[Path],
    corpus: Corpus,
    data: Artefact | str,
    store: Store,
    without: Collection[str] = (),
) -> list[Reference]:
    """The rating and text baselines beside the answers in ``folders``, once on the same rows.

    Args:
        folders: answers of models (see :func:`p5rec.recommend.model_answers.answer_model`).
        data: the prepared ``corpus``, or what tells it from others.
        without: names of baselines that the recipe has as methods of its own.
    """
    every = [a for folder in folders for a in read_asked(folder) if not a.unseen]
    rated = {tuple(a.events): a for a in every if a.answer == "rating"}
    texts = {(a.task, *a.events, *a.expected): a for a in every if a.answer == "text"}
    view, found = unnamed_view(corpus), []
    for asked in rated.values():
        for name in RATING:
            if name not in without:
                (fitted,) = fit_method(baseline(name), corpus, data, store)
                found.append(question_fitted(name, fitted, asked, corpus, data, store))
    for asked in texts.values():
        if not has_people_s_words(view, asked.task):
            continue
        for name in TEXT:
            kind = METHODS.get(name)
            if name in without or (kind.needs_shown and not shows_words(asked.task)):
                continue
            method = kind(task=asked.task, max_words=asked.max_words)
            (fitted,) = fit_method(method, corpus, data, store)
            found.append(question_fitted(name, fitted, asked, corpus, data, store))
    return found


def question_fitted(
    name: str,
    fitted: Fitted,
    asked: FamilyAnswers,
    corpus: Corpus,
    data: Artefact | str,
    store: Store,
) -> Reference:
    """The stage of a fitted method's answers to the questions ``asked``."""
    about = dict(fitted.about)
    if asked.answer == "text":
        read = fitted.made.manifest["lineage"]["events_seen"]
        about = {"train_seconds": about["train_seconds"], "events_read": read}
    made = store.stage(
        "reference",
        partial(_answer, fitted.method, fitted.folder, corpus, asked),
        config={"rows": digest([asked.events, asked.users, asked.items]), "task": asked.task},
        code=(_answer, METHODS.target(fitted.method.kind)),
        inputs={"data": data, "model": fitted.made},
    )
    return Reference(name, asked, made, about)


def _answer(
    method: Method, model: Path, corpus: Corpus, asked: FamilyAnswers, folder: Path
) -> Lineage:
    answer_questions(method, model, corpus, asked, folder)
    return Lineage.none()
