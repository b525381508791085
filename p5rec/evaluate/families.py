"""Answers of a prompt family → its numbers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.metrics.slices import slices
from p5rec.models.ratings import TASK as DENSE_RATING
from p5rec.prompting.parse import ParsedRating, ParsedYesNo, parse
from p5rec.prompting.view import CorpusView, Scale
from p5rec.recommend.ask import YES, FamilyAnswers
from p5rec.recommend.baselines.registry import RATING_PREDICTORS, TEXT_BASELINES
from p5rec.recommend.baselines.text_rows import asked_rows, has_people_s_words, training_rows
from p5rec.recommend.baselines.tune import by_rmse, tune

from . import measure
from .config import reading_name
from .measure import Measured


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
        said, right = (
            verdicts(asked),
            np.array([text.strip().lower() == YES for text in asked.expected]),
        )
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


def rating_baselines(corpus: Corpus, asked: FamilyAnswers, run: dict[str, Any]) -> list[Measured]:
    """The rating baselines, tuned on validation, on the rows that the model was asked about."""
    log, split = corpus.interactions, corpus.split
    assert log.ratings is not None, "a rating family needs ratings"
    valid = split.mask("valid") & np.isfinite(log.ratings)
    figure = by_rmse(_users(log.users[valid]), log.items[valid], log.ratings[valid])
    users, items = np.array(asked.users), np.array(asked.items)
    seen = log.ratings[split.mask("train")]
    ends = (float(np.nanmin(seen)), float(np.nanmax(seen)))
    parts = slices(users, items, log, split, np.array(asked.events))
    found = []
    for name in RATING_PREDICTORS:
        tuned = tune(RATING_PREDICTORS.get(name), log, split, figure)
        predictions = tuned.model.predict(_users(users), items)
        about = {"tuned": tuned.best.config.dump(), "configs_tried": len(tuned.trials)}
        found.append(
            measure.rating(
                name, predictions, np.array(asked.ratings), users, ends,
                **{**run, "task": asked.task, "about": about, "subjects": items, "parts": parts,
                   "train_seconds": sum(t.seconds for t in tuned.trials)},
            )
        )  # fmt: skip
    return found


def text_baselines(view: CorpusView, asked: FamilyAnswers, run: dict[str, Any]) -> list[Measured]:
    """The text baselines on the questions that the model was asked, where people wrote answers."""
    if not has_people_s_words(view, asked.task):
        return []
    known = training_rows(view, asked.task, asked.max_words)
    rows = asked_rows(view, asked.task, np.array(asked.events), asked.max_words)
    users, catalog = np.array(asked.users), view.corpus.catalog
    found = []
    for name in TEXT_BASELINES:
        baseline = TEXT_BASELINES.get(name)
        if baseline.needs_shown and not rows.shown:
            continue
        started = time.perf_counter()
        writer = baseline.fit(known)
        fitted = time.perf_counter()
        texts = writer.write(rows)
        found.append(
            measure.text(
                name, texts, asked.expected, rows.items, catalog, users,
                **{**run, "task": asked.task, "train_seconds": fitted - started,
                   "infer_seconds": time.perf_counter() - fitted,
                   "about": {"events_read": int(writer.lineage.events.sum())}},
            )
        )  # fmt: skip
    return found


def _users(users: np.ndarray) -> Histories:
    """Requests that name users alone: all that the rating baselines read."""
    return Histories(users, np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64))


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
