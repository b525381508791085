"""The work of the stages that fit rating and text baselines and ask them what a model was asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.types import Corpus, Histories
from p5rec.prompting.view import unnamed_view

from .baselines.registry import RATING_PREDICTORS, TEXT_BASELINES
from .baselines.text_rows import asked_rows, training_rows
from .baselines.tune import by_rmse, tune
from .list_files import ABOUT

RATINGS, TEXTS = "ratings.npy", "texts.json"


def rate(
    name: str, corpus: Corpus, users: Sequence[int], items: Sequence[int], folder: Path
) -> Lineage:
    """A rating baseline, tuned on validation, on B pairs: ``RATINGS`` ``(B,)`` float32 points.

    ``ABOUT`` holds ``tuned``, ``configs_tried`` and ``train_seconds`` of all tries.
    """
    log, split = corpus.interactions, corpus.split
    assert log.ratings is not None, "a rating family needs ratings"
    valid = split.mask("valid") & np.isfinite(log.ratings)
    figure = by_rmse(_users(log.users[valid]), log.items[valid], log.ratings[valid])
    tuned = tune(RATING_PREDICTORS.get(name), log, split, figure)
    np.save(folder / RATINGS, tuned.model.predict(_users(np.array(users)), np.array(items)))
    about = {
        "tuned": tuned.best.config.dump(),
        "configs_tried": len(tuned.trials),
        "train_seconds": sum(trial.seconds for trial in tuned.trials),
    }
    write_json(folder / ABOUT, about)
    lineage: Lineage = tuned.model.lineage
    return lineage


def write(
    name: str, corpus: Corpus, task: str, events: Sequence[int], max_words: int, folder: Path
) -> Lineage:
    """A text baseline on the questions of a task about B events: ``TEXTS``, B texts.

    ``ABOUT`` holds ``events_read``, ``train_seconds`` and ``infer_seconds``.
    """
    view = unnamed_view(corpus)
    known = training_rows(view, task, max_words)
    rows = asked_rows(view, task, np.array(events), max_words)
    read = time.perf_counter()
    writer = TEXT_BASELINES.get(name).fit(known)
    fitted = time.perf_counter()
    write_json(folder / TEXTS, writer.write(rows))
    about = {
        "events_read": len(writer.lineage.events),
        "train_seconds": fitted - read,
        "infer_seconds": time.perf_counter() - fitted,
    }
    write_json(folder / ABOUT, about)
    lineage: Lineage = writer.lineage
    return lineage


def _users(users: np.ndarray) -> Histories:
    """Requests that name users alone: all that the rating baselines read."""
    return Histories(users, np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64))
