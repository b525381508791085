"""Predictions of fitted methods for tasks other than ranking, on held-out events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from p5rec.core.types import Corpus, Histories
from p5rec.tasks.predictions import Predictions
from p5rec.tasks.queries import Count, histories_before, sample_queries
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, unnamed_view

from .base import Method
from .baselines.text_examples import query_examples


def task_queries(
    method: Method, corpus: Corpus, task: str, split_name: str, n: Count, seed: int
) -> Predictions:
    """``n`` seeded test instances of a task in a split, the same as for a language model.

    Args:
        method: a method that makes predictions for the task.
        corpus: the data.
        task: its name.
        split_name: ``valid`` or ``test``.
        n: number of test instances, or ``all``.
        seed: of the sample.

    Raises:
        UserError: the data have no such instances.
    """
    limits = Limits(max_words=getattr(method, "max_words", Limits().max_words))
    return sample_queries(task, unnamed_view(corpus), split_name, n, seed, limits)


def predict_queries(
    predictor: Any, queries: Predictions, corpus: Corpus, seen: Corpus
) -> Predictions:
    """A predictor's predictions for the test instances ``queries``.

    Args:
        corpus: the data of the test instances.
        seen: the data of the histories: ``corpus``, or ``corpus`` with permuted histories. The
            context of a query is that of its own event.
    """
    query = QUERIES[TASKS.get(queries.task).capability]
    events = np.array(queries.events)
    histories = histories_before(unnamed_view(seen), queries.task, events)
    histories = replace(histories, context=corpus.interactions.context_at(events))
    started = time.perf_counter()
    values = query(predictor, unnamed_view(corpus), histories, queries)
    return queries.with_predictions(values, time.perf_counter() - started)


def _ratings(predictor: Any, view: CorpusView, histories: Histories, queries: Any) -> Any:
    return predictor.predict_rating(histories, np.array(queries.items))


def _clicks(predictor: Any, view: CorpusView, histories: Histories, queries: Any) -> Any:
    return predictor.predict_click(histories, np.array(queries.items))


def _texts(predictor: Any, view: CorpusView, histories: Histories, queries: Any) -> Any:
    return predictor.write(
        query_examples(view, queries.task, np.array(queries.events), queries.max_words)
    )


# capability → its predictions
QUERIES: Mapping[str, Callable[[Any, CorpusView, Histories, Any], Any]] = {
    "predict_rating": _ratings,
    "predict_click": _clicks,
    "write": _texts,
}
