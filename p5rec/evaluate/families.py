"""Predictions on a task's queries → its metrics, by the type of prediction."""

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
    Answers,
    Choices,
    Clicks,
    Episodes,
    Predictions,
    RankedItems,
    Ratings,
    Texts,
    Verdicts,
    read_predictions,
)
from p5rec.tasks.view import CorpusView, Scale

from . import measure
from .config import entry_name
from .measured import Measured


@dataclass(frozen=True)
class Reference:
    """The predictions of a reference baseline on a task's queries.

    Attributes:
        name: the method's name.
        artefact: its predictions, in ``FILE`` of :mod:`p5rec.tasks.predictions`.
        about: facts about its fit, ``train_seconds`` among them.
    """

    name: str
    artefact: Artefact
    about: Mapping[str, Any]


def measure_reference(reference: Reference, view: CorpusView, run: dict[str, Any]) -> Measured:
    """The report entry of a reference baseline."""
    predictions, about = read_predictions(reference.artefact.path / FILE), dict(reference.about)
    spent = {"train_seconds": about.pop("train_seconds", 0.0), "about": about}
    (measured,) = measure_predictions(reference.name, predictions, view, {**run, **spent})
    return measured


def measure_predictions(
    name: str, predictions: Predictions, view: CorpusView, run: Mapping[str, Any]
) -> list[Measured]:
    """One entry of the report; for ratings one for each estimator, on the same test instances.

    The name of an entry has the prompt family where the method predicts the task with several.
    """
    users, items = np.array(predictions.users), np.array(predictions.items)
    events, corpus = np.array(predictions.events), view.corpus
    about = dict(run.get("about", {}))
    if predictions.form:
        about["family"] = predictions.form
    if predictions.prompt_ids:
        about["prompts"] = list(predictions.prompt_ids)
    if predictions.shortened or predictions.cut:
        about |= {"prompts_shortened": predictions.shortened, "prompts_cut": predictions.cut}
    if predictions.model_input:
        about["model_input"] = predictions.model_input
    run = {
        **run, "task": predictions.task, "infer_seconds": predictions.seconds, "about": about,
        "instance_items": items,
        "slices": slices(users, items, corpus.interactions, corpus.split, events),
        "counts": {"tokens": predictions.tokens} if predictions.tokens else {},
    }  # fmt: skip
    return MEASURED[type(predictions)](name, predictions, view, run)


def _ranked(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    users, items = np.array(predictions.users), np.array(predictions.items)
    lists = RankedLists(
        users, np.array(predictions.lists), np.array(predictions.scores, dtype=np.float32)
    )
    events = np.array(predictions.events)
    name = entry_name(name, predictions.form)
    return [measure.ranking(name, lists, items, view.corpus, events=events, **run)]


def _chosen(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    right = (np.array(predictions.lists)[:, 0] == np.array(predictions.items)).astype(float)
    name = entry_name(name, predictions.form)
    return [measure.accuracy(name, right, np.array(predictions.users), **run)]


def _judged(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    correct, users = verdicts(predictions), np.array(predictions.users)
    positive = np.array([text.strip().lower() == YES for text in predictions.expected])
    probabilities = np.array(predictions.probabilities) if predictions.probabilities else None
    name = entry_name(name, predictions.form)
    return [measure.accuracy(name, correct, users, probabilities, positive, **run)]


def _written(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    items, users = np.array(predictions.items), np.array(predictions.users)
    catalog = view.corpus.catalog
    name = entry_name(name, predictions.form)
    return [
        measure.text(name, predictions.texts, predictions.expected, items, catalog, users, **run)
    ]


def _answered(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    users = np.array(predictions.users)
    similarities, ranks = (
        np.array(each) if each else None for each in (predictions.similarities, predictions.ranks)
    )
    texts, expected = predictions.texts, predictions.expected
    name = entry_name(name, predictions.form)
    return [measure.answers(name, texts, expected, users, similarities, ranks, **run)]


def _clicked(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    probabilities, clicked = (
        np.array(predictions.probabilities),
        np.array(predictions.clicked, dtype=bool),
    )
    run["about"]["negatives"] = predictions.negatives
    name = entry_name(name, predictions.form)
    return [measure.clicks(name, probabilities, clicked, np.array(predictions.users), **run)]


def _talked(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    name = entry_name(name, predictions.form)
    return [measure.dialogues(name, predictions, np.array(predictions.users), **run)]


def _rated(name: str, predictions: Any, view: CorpusView, run: dict[str, Any]) -> list[Measured]:
    scale = view.scale
    assert scale is not None, "rating predictions need data with ratings"
    estimates = {of: np.array(own) for of, own in predictions.estimates.items()}
    if predictions.texts:
        estimates["text"] = _numbers(predictions.texts, scale)
    of_scale = partial(
        measure.rating,
        ratings=np.array(predictions.ratings),
        users=np.array(predictions.users),
        scale=(scale.low, scale.high),
    )
    return [
        of_scale(
            entry_name(name, of, predictions.form),
            values,
            probabilities=np.array(predictions.probabilities[of])
            if of in predictions.probabilities
            else None,
            **run,
        )
        for of, values in estimates.items()
    ]


# a type of predictions → the function that measures it
MEASURED: Mapping[
    type[Predictions], Callable[[str, Any, CorpusView, dict[str, Any]], list[Measured]]
] = {
    RankedItems: _ranked,
    Choices: _chosen,
    Ratings: _rated,
    Verdicts: _judged,
    Texts: _written,
    Answers: _answered,
    Clicks: _clicked,
    Episodes: _talked,
}


def _numbers(texts: list[str], scale: Scale) -> np.ndarray:
    parsed = [parse("rating", text, scale=scale) for text in texts]
    return np.array([p.value if isinstance(p, ParsedRating) else np.nan for p in parsed])


def verdicts(predictions: Verdicts) -> np.ndarray:
    """``(B,)`` 1 where yes or no is correct, 0 where it is wrong, NaN where it cannot be parsed."""
    parsed = [parse("yesno", text) for text in predictions.texts]
    targets = [parse("yesno", text) for text in predictions.expected]
    return np.array(
        [
            float(p.value == t.value)
            if isinstance(p, ParsedYesNo) and isinstance(t, ParsedYesNo)
            else np.nan
            for p, t in zip(parsed, targets, strict=True)
        ]
    )
