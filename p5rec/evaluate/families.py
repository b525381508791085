"""Predictions for a task's questions → its numbers, each kind by its own metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from p5rec.core.artefacts import Artefact
from p5rec.core.types import RankedLists
from p5rec.metrics.slices import slices
from p5rec.prompting.parse import ParsedRating, ParsedYesNo, parse
from p5rec.tasks.fields import YES
from p5rec.tasks.predictions import (
    FILE,
    Choices,
    Clicks,
    Predictions,
    RankedItems,
    Ratings,
    Texts,
    Verdicts,
    read_predictions,
)
from p5rec.tasks.view import CorpusView, Scale

from . import measure
from .config import reading_name
from .measured import Measured


@dataclass(frozen=True)
class Reference:
    """What a method that was fitted to the data alone answers to a task's questions.

    Attributes:
        name: the method.
        made: its predictions, in ``FILE`` of :mod:`p5rec.tasks.predictions`.
        about: of its fit; ``train_seconds`` is among it.
    """

    name: str
    made: Artefact
    about: Mapping[str, Any]


def measure_reference(reference: Reference, view: CorpusView, run: dict[str, Any]) -> Measured:
    """A fitted method's entry."""
    asked, about = read_predictions(reference.made.path / FILE), dict(reference.about)
    spent = {"train_seconds": about.pop("train_seconds", 0.0), "about": about}
    (found,) = measure_predictions(reference.name, asked, view, {**run, **spent})
    return found


def measure_predictions(
    name: str, asked: Predictions, view: CorpusView, run: Mapping[str, Any]
) -> list[Measured]:
    """One entry, or for ratings one a reading of the same answers, all on the same rows."""
    users, items = np.array(asked.users), np.array(asked.items)
    events, corpus = np.array(asked.events), view.corpus
    about = dict(run.get("about", {}))
    if asked.prompt_ids:
        about["prompts"] = list(asked.prompt_ids)
    if asked.shortened or asked.cut:
        about |= {"prompts_shortened": asked.shortened, "prompts_cut": asked.cut}
    if asked.read:
        about["read"] = asked.read
    run = {
        **run, "task": asked.task, "infer_seconds": asked.seconds, "about": about,
        "subjects": items, "parts": slices(users, items, corpus.interactions, corpus.split, events),
        **({"tokens": asked.tokens} if asked.tokens else {}),
    }  # fmt: skip
    return MEASURED[type(asked)](name, asked, view, run)


def _ranked(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    users, items = np.array(asked.users), np.array(asked.items)
    lists = RankedLists(users, np.array(asked.lists), np.array(asked.scores, dtype=np.float32))
    events = np.array(asked.events)
    return [measure.ranking(name, lists, items, view.corpus, events=events, **run)]


def _chosen(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    right = (np.array(asked.lists)[:, 0] == np.array(asked.items)).astype(float)
    return [measure.accuracy(name, right, np.array(asked.users), **run)]


def _judged(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    said, users = verdicts(asked), np.array(asked.users)
    right = np.array([text.strip().lower() == YES for text in asked.expected])
    chances = np.array(asked.chances) if asked.chances else None
    return [measure.accuracy(name, said, users, chances, right, **run)]


def _written(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    items, users = np.array(asked.items), np.array(asked.users)
    catalog = view.corpus.catalog
    return [measure.text(name, asked.texts, asked.expected, items, catalog, users, **run)]


def _clicked(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    chances, clicked = np.array(asked.chances), np.array(asked.clicked, dtype=bool)
    run["about"]["negatives"] = asked.negatives
    return [measure.clicks(name, chances, clicked, np.array(asked.users), **run)]


def _rated(name: str, asked: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    scale = view.scale
    assert scale is not None, "ratings were asked for of data that have some"
    read = {of: np.array(said) for of, said in asked.readings.items()}
    if asked.texts:
        read["text"] = _numbers(asked.texts, scale)
    of_scale = partial(
        measure.rating,
        ratings=np.array(asked.ratings),
        users=np.array(asked.users),
        scale=(scale.low, scale.high),
    )
    return [
        of_scale(
            reading_name(name, of, asked.form),
            said,
            chances=np.array(asked.chances[of]) if of in asked.chances else None,
            **run,
        )
        for of, said in read.items()
    ]


# a type of predictions → its entries
MEASURED: Mapping[
    type[Predictions], Callable[[str, Any, CorpusView, dict[str, Any]], list[Measured]]
] = {
    RankedItems: _ranked,
    Choices: _chosen,
    Ratings: _rated,
    Verdicts: _judged,
    Texts: _written,
    Clicks: _clicked,
}


def _numbers(texts: list[str], scale: Scale) -> np.ndarray:
    read = [parse("rating", text, scale=scale) for text in texts]
    return np.array([p.value if isinstance(p, ParsedRating) else np.nan for p in read])


def verdicts(asked: Verdicts) -> np.ndarray:
    """``(B,)`` 1 where yes or no is right, 0 where it is wrong, NaN where it cannot be read."""
    read = [parse("yesno", text) for text in asked.texts]
    right = [parse("yesno", text) for text in asked.expected]
    return np.array(
        [
            float(p.value == r.value)
            if isinstance(p, ParsedYesNo) and isinstance(r, ParsedYesNo)
            else np.nan
            for p, r in zip(read, right, strict=True)
        ]
    )
