"""Answers of a prompt family → its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from p5rec.core.artefacts import read_json
from p5rec.core.types import Corpus, RankedLists
from p5rec.metrics.slices import slices
from p5rec.models.ratings import TASK as DENSE_RATING
from p5rec.prompting.parse import ParsedRating, ParsedYesNo, parse
from p5rec.prompting.view import CorpusView, Scale
from p5rec.recommend.ask import YES, FamilyAnswers
from p5rec.recommend.list_files import ABOUT
from p5rec.recommend.references import RATINGS, TEXTS, Reference

from . import measure
from .config import reading_name
from .measured import Measured

SPENT = ("train_seconds", "infer_seconds")


def measure_family(
    name: str, asked: FamilyAnswers, view: CorpusView, run: dict[str, Any]
) -> list[Measured]:
    """One entry, or for ratings one a reading of the same answers, all on the same rows."""
    users, items = np.array(asked.users), np.array(asked.items)
    about = {**run.pop("about", {}), "prompts": list(asked.prompt_ids)}
    events, corpus = np.array(asked.events), view.corpus
    run |= {
        "task": asked.task, "infer_seconds": asked.seconds, "about": about, "subjects": items,
        "parts": slices(users, items, corpus.interactions, corpus.split, events),
    }  # fmt: skip
    if asked.shortened or asked.cut:
        about |= {"prompts_shortened": asked.shortened, "prompts_cut": asked.cut}
    if asked.tokens:
        run["tokens"] = asked.tokens
    if asked.answer == "item":
        lists = RankedLists(users, np.array(asked.lists), np.array(asked.scores, dtype=np.float32))
        return [measure.ranking(name, lists, items, corpus, events=events, **run)]
    if asked.answer == "options":
        first = np.array(asked.lists)[:, 0]
        return [measure.accuracy(name, (first == items).astype(float), users, **run)]
    if asked.answer == "yesno":
        said = verdicts(asked)
        right = np.array([text.strip().lower() == YES for text in asked.expected])
        chances = np.array(asked.chances[YES]) if YES in asked.chances else None
        return [measure.accuracy(name, said, users, chances, right, **run)]
    if asked.answer == "text":
        return [
            measure.text(name, asked.texts, asked.expected, items, corpus.catalog, users, **run)
        ]
    scale = view.scale
    assert scale is not None, "a rating family needs ratings"
    ends, truth = (scale.low, scale.high), np.array(asked.ratings)
    read = {name: np.array(said) for name, said in asked.readings.items()}
    if asked.texts:
        read["text"] = _numbers(asked, scale)
    if asked.family == DENSE_RATING:  # there is no prompt
        del about["prompts"]
        about["read"] = "the history with its ratings, and the item"
    return [
        measure.rating(
            reading_name(name, of, asked.form),
            said,
            truth,
            users,
            ends,
            np.array(asked.chances[of]) if of in asked.chances else None,
            **run,
        )
        for of, said in read.items()
    ]


def measure_reference(reference: Reference, corpus: Corpus, run: dict[str, Any]) -> Measured:
    """A rating or text baseline on the rows that a model was asked about."""
    asked, folder = reference.asked, reference.made.path
    about = {**reference.about, **read_json(folder / ABOUT)}
    spent = {name: about.pop(name) for name in SPENT if name in about}
    run = {**run, **spent, "task": asked.task, "about": about}
    users, items = np.array(asked.users), np.array(asked.items)
    log, split = corpus.interactions, corpus.split
    if asked.answer == "text":
        texts, rated = read_json(folder / TEXTS), log.items[np.array(asked.events)]
        return measure.text(
            reference.name, texts, asked.expected, rated, corpus.catalog, users, **run
        )
    assert log.ratings is not None, "a rating family needs ratings"
    seen = log.ratings[split.mask("train")]
    ends = (float(np.nanmin(seen)), float(np.nanmax(seen)))
    parts = slices(users, items, log, split, np.array(asked.events))
    return measure.rating(
        reference.name, np.load(folder / RATINGS), np.array(asked.ratings), users, ends,
        **{**run, "subjects": items, "parts": parts},
    )  # fmt: skip


def _numbers(asked: FamilyAnswers, scale: Scale) -> np.ndarray:
    read = [parse("rating", text, scale=scale) for text in asked.texts]
    return np.array([p.value if isinstance(p, ParsedRating) else np.nan for p in read])


def verdicts(asked: FamilyAnswers) -> np.ndarray:
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
