"""What fitted methods are asked beside lists: the questions of tasks about held-out events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import write_json
from p5rec.core.types import PARTS, Corpus, Histories
from p5rec.data.train_events import swapped
from p5rec.tasks.draft import Limits
from p5rec.tasks.predictions import FILE, Predictions
from p5rec.tasks.questions import histories_before, pose
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, unnamed_view

from .base import Method
from .baselines.text_rows import asked_rows


def questions(
    method: Method, corpus: Corpus, task: str, part: str, n: int, seed: int
) -> Predictions:
    """``n`` seeded rows of a task in ``part``, those that a language model is asked.

    Args:
        method: one that answers the task.
        task: its name.

    Raises:
        UserError: the data cannot pose them.
    """
    limits = Limits(max_words=getattr(method, "max_words", Limits().max_words))
    return pose(task, unnamed_view(corpus), part, n, seed, limits)


def answer_questions(
    method: Method, model: Path, corpus: Corpus, asked: Predictions, folder: Path
) -> None:
    """Answers ``asked`` into ``folder``."""
    predictor: Any = method.load(model)
    query = QUERIES[TASKS.get(asked.task).capability]
    seen = unnamed_view(_as_seen(method, corpus, asked))
    histories = histories_before(seen, np.array(asked.events))
    started = time.perf_counter()
    values = query(predictor, unnamed_view(corpus), histories, asked)
    write_json(folder / FILE, asked.answered(values, time.perf_counter() - started).dump())


def _as_seen(method: Method, corpus: Corpus, asked: Predictions) -> Corpus:
    """The corpus whose histories the method reads: under a permutation, other users'."""
    if not method.permute_histories or not asked.events:
        return corpus
    part = corpus.split.parts[asked.events].max()
    before = [name for name, number in PARTS.items() if number < part]
    return swapped(corpus, before, corpus.split.seed)


def _ratings(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.predict_rating(histories, np.array(asked.items))


def _clicks(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.predict_click(histories, np.array(asked.items))


def _texts(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.write(asked_rows(view, asked.task, np.array(asked.events), asked.max_words))


# capability → its answers to questions
QUERIES: Mapping[str, Callable[[Any, CorpusView, Histories, Any], Any]] = {
    "predict_rating": _ratings,
    "predict_click": _clicks,
    "write": _texts,
}
