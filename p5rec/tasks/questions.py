"""Questions about held-out rows, drawn by key: whoever is asked gets the same ones."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import sampled
from p5rec.core.types import Histories
from p5rec.data.split import histories_from

from .draft import Limits
from .predictions import Predictions
from .registry import TASKS
from .view import CorpusView


def drawn(rows: np.ndarray, keys: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A seeded draw of at most ``n`` of ``rows (R,)``, in their order.

    Args:
        keys: ``(R,)`` uint64, of the events or items that the rows are about.
    """
    return rows[sampled(keys, n, seed, "ask")]


def pose(
    task: str,
    view: CorpusView,
    split_name: str,
    n: int | None,
    seed: int,
    limits: Limits | None = None,
) -> Predictions:
    """The questions of a task about ``n`` seeded rows of ``part``, not answered.

    Args:
        task: its name.
        view: the corpus.
        part: a held-out part.
        n: rows; None: all of them.
        seed: of the choice of rows, and of what is drawn for each.
        limits: how much a record shows.

    Raises:
        UserError: there is no such task, or the data cannot pose it.
    """
    spec, limits = TASKS.get(task), limits or Limits()
    if reason := spec.unavailable(view, split_name):
        raise UserError(f"{reason}; take it out")
    rows = spec.rows(view, split_name)
    if n is not None:
        rows = drawn(rows, spec.keys(view)[rows], n, seed)
    records = [r for row in rows.tolist() for r in spec.records(view, row, seed, limits)]
    found: Predictions = spec.predictions.of(task, spec.answers[0], records, limits)
    return found


def histories_before(view: CorpusView, events: np.ndarray) -> Histories:
    """B requests: what the user of each of ``events (B,)`` had done, in the parts before its own.

    Training events come before a training or validation event, those and validation events before
    a test event.
    """
    log = view.corpus.interactions
    past = [view.past(event) for event in events.tolist()]
    offsets = np.cumsum([0, *map(len, past)], dtype=np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *past])
    return histories_from(log, log.users[events], rows, offsets)
