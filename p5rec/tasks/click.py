"""Did the user take the item, or is it one that was drawn?

Every held-out event is asked about twice: as it is, and with an item in place of its own that the
user has not met.
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .draft import Limits
from .fields import NO, YES, Record
from .predictions import Clicks
from .sequential import next_rows
from .view import CorpusView


def _taken(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    return Record("click", {"verdict": YES}, int(log.users[event]), int(log.items[event]), event)


def _drawn(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record | None:
    user = int(view.corpus.interactions.users[event])
    others = view.sample_negatives(user, 1, rng)  # none where the user has met all there are
    return Record("click", {"verdict": NO}, user, others[0], event) if others else None


CLICK = Task(
    name="click",
    predictions=Clicks,
    capability="predict_click",
    metrics=("AUC", "log loss", "Brier"),
    references=("item-click-rate",),
    answers=("verdict",),
    rows=next_rows,
    build=_taken,
    further=_drawn,
)
