"""Queries about held-out rows, sampled by key: every method gets the same queries."""

from __future__ import annotations

from typing import Literal

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import sampled
from p5rec.core.types import Histories

from .predictions import Predictions
from .record_builder import Limits
from .registry import TASKS
from .view import CorpusView

Count = int | Literal["all"]  # of test instances


def sample_rows(rows: np.ndarray, keys: np.ndarray, n: Count, seed: int) -> np.ndarray:
    """A seeded sample of at most ``n`` of ``rows (R,)``, in their order.

    Args:
        rows: event rows or item rows.
        keys: ``(R,)`` uint64 keys of the rows.
        n: sample size; ``all``: no sample.
        seed: seed of the sample.
    """
    return rows if n == "all" else rows[sampled(keys, n, seed, "ask")]


def sample_queries(
    task: str,
    view: CorpusView,
    split_name: str,
    n: Count,
    seed: int,
    limits: Limits | None = None,
) -> Predictions:
    """The queries of a task about ``n`` sampled rows of a split, without predictions.

    Args:
        task: name of the task.
        view: the corpus.
        split_name: a held-out split.
        n: number of rows, or ``all``.
        seed: seed of the sample and of the random choices in each record.
        limits: length limits of a record.

    Raises:
        UserError: the task is unknown, or the corpus has no queries for it.
    """
    spec, limits = TASKS.get(task), limits or Limits()
    if reason := spec.unavailable(view, split_name):
        raise UserError(f"{reason}; take it out")
    rows = spec.rows(view, split_name)
    rows = sample_rows(rows, spec.keys(view)[rows], n, seed)
    queries: Predictions = spec.queries(view, rows, seed, limits)
    return queries


def histories_before(view: CorpusView, task: str, events: np.ndarray) -> Histories:
    """B histories: what a query of ``task`` about each of ``events (B,)`` may show.

    The history of a training or validation event has earlier training events; that of a test event
    has earlier training and validation events. Under :attr:`Task.all_earlier`, the history of a
    held-out event has every event of an earlier moment.
    """
    return view.earlier.histories(events, all_earlier=TASKS.get(task).all_earlier)
