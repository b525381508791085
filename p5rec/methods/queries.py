"""What fitted methods are asked beside lists: the questions of tasks about held-out events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from p5rec.core.types import Corpus, Histories
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.predictions import Predictions
from p5rec.tasks.queries import histories_before, sample_queries
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, unnamed_view

from .base import Method
from .baselines.text_examples import query_examples


def questions(
    method: Method, corpus: Corpus, task: str, split_name: str, n: int, seed: int
) -> Predictions:
    """``n`` seeded rows of a task in ``part``, those that a language model is asked.

    Args:
        method: one that answers the task.
        task: its name.

    Raises:
        UserError: the data cannot pose them.
    """
    limits = Limits(max_words=getattr(method, "max_words", Limits().max_words))
    return sample_queries(task, unnamed_view(corpus), split_name, n, seed, limits)


def answered(predictor: Any, asked: Predictions, corpus: Corpus, seen: Corpus) -> Predictions:
    """What a predictor answers to the questions ``asked``.

    Args:
        corpus: what they are about.
        seen: whose histories it reads: ``corpus``, or the same with permuted histories.
    """
    query = QUERIES[TASKS.get(asked.task).capability]
    histories = histories_before(unnamed_view(seen), np.array(asked.events))
    started = time.perf_counter()
    values = query(predictor, unnamed_view(corpus), histories, asked)
    return asked.with_predictions(values, time.perf_counter() - started)


def _ratings(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.predict_rating(histories, np.array(asked.items))


def _clicks(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.predict_click(histories, np.array(asked.items))


def _texts(predictor: Any, view: CorpusView, histories: Histories, asked: Any) -> Any:
    return predictor.write(query_examples(view, asked.task, np.array(asked.events), asked.max_words))


# capability → its answers to questions
QUERIES: Mapping[str, Callable[[Any, CorpusView, Histories, Any], Any]] = {
    "predict_rating": _ratings,
    "predict_click": _clicks,
    "write": _texts,
}
