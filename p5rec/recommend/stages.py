"""Asking a method once and keeping what it said: the lists behind every ranking figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from p5rec.core.artefacts import Artefact, Store, digest
from p5rec.core.types import Corpus
from p5rec.models.linear import FILE as LINEAR
from p5rec.prompting.view import unnamed_view

from .ask import FamilyAnswers
from .baseline_answers import answer_baseline
from .baselines.registry import RATING_PREDICTORS, RECOMMENDERS, TEXT_BASELINES
from .baselines.text_rows import has_people_s_words, shows_words
from .model_answers import answer_bundle, read_asked
from .references import rate, write
from .serving import ServingConfig


@dataclass(frozen=True)
class Reference:
    """A rating or text baseline on the rows that a model was asked about.

    Attributes:
        name: the baseline.
        asked: the rows.
        made: what it said of them (see :mod:`p5rec.recommend.references`).
    """

    name: str
    asked: FamilyAnswers
    made: Artefact


def ask_baseline(
    name: str,
    corpus: Corpus,
    data: Artefact,
    k: int,
    store: Store,
    part: str = "test",
    *,
    exclude_seen: bool = True,
    repeats: int = 1,
) -> list[Artefact]:
    """The stages of a baseline: its lists for the users of a held-out part, one a run.

    Args:
        repeats: runs, where fits hang on draws: the first is tuned, the others fit what it chose
            under seeds of their own. A baseline without draws answers once.
    """

    def run(n: int, earlier: Mapping[str, Artefact]) -> Artefact:
        tuned = earlier["tuned"].path if earlier else None
        return store.stage(
            "baseline",
            partial(
                answer_baseline, name, corpus, part, k,
                exclude_seen=exclude_seen, run=n, tuned=tuned,
            ),
            config={"name": name, "k": k, "part": part, "exclude_seen": exclude_seen, "run": n},
            code=(answer_baseline, RECOMMENDERS.target(name)),
            inputs={"data": data, **earlier},
        )  # fmt: skip

    first = run(0, {})
    again = range(1, repeats) if RECOMMENDERS.get(name).drawn else ()
    return [first, *(run(n, {"tuned": first}) for n in again)]


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
        code=(answer_bundle,),
        inputs={"data": data, "model": model, **({"linear": linear} if linear else {})},
    )


def linear_file(linear: Artefact | None) -> Path | None:
    """Where the stage of a linear part keeps it."""
    return None if linear is None else linear.path / LINEAR


def ask_references(
    folders: Iterable[Path], corpus: Corpus, data: Artefact | str, store: Store
) -> list[Reference]:
    """The rating and text baselines beside the answers in ``folders``, once on the same rows.

    Args:
        folders: answers of models (see :func:`p5rec.recommend.model_answers.answer_model`).
        data: the prepared ``corpus``, or what tells it from others.
    """
    every = [a for folder in folders for a in read_asked(folder) if not a.unseen]
    rated = {tuple(a.events): a for a in every if a.answer == "rating"}
    told = {(a.task, *a.events, *a.expected): a for a in every if a.answer == "text"}
    view, found = unnamed_view(corpus), []
    for asked in rated.values():
        for name in RATING_PREDICTORS:
            made = store.stage(
                "reference",
                partial(rate, name, corpus, asked.users, asked.items),
                config={"name": name, "rows": digest([asked.users, asked.items])},
                code=(rate, RATING_PREDICTORS.target(name)),
                inputs={"data": data},
            )
            found.append(Reference(name, asked, made))
    for asked in told.values():
        if not has_people_s_words(view, asked.task):
            continue
        for name in TEXT_BASELINES:
            if TEXT_BASELINES.get(name).needs_shown and not shows_words(asked.task):
                continue
            about = {"task": asked.task, "max_words": asked.max_words}
            made = store.stage(
                "reference",
                partial(write, name, corpus, asked.task, asked.events, asked.max_words),
                config={"name": name, "rows": digest(asked.events), **about},
                code=(write, TEXT_BASELINES.target(name)),
                inputs={"data": data},
            )
            found.append(Reference(name, asked, made))
    return found
