"""Did the user take the item?

Where the data label events, these are asked about, positive and negative ones. Elsewhere every
held-out event is asked about twice: as it is, and with an item in place of its own that the user
could have been shown then and has not met.
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .draft import Limits
from .fields import NO, YES, Record
from .predictions import Clicks
from .sequential import next_rows
from .view import CorpusView


def _rows(view: CorpusView, split_name: str) -> np.ndarray:
    if view.labelled is None:
        return next_rows(view, split_name)
    return np.flatnonzero(view.targets(split_name) & view.labelled)


def _taken(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, labelled = view.corpus.interactions, view.labelled is not None
    verdict = NO if labelled and log.labels is not None and log.labels[event] == 0 else YES
    user, item = int(log.users[event]), int(log.items[event])
    return Record("click", {"verdict": verdict}, user, item, event, labelled=labelled)


def _drawn(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record | None:
    if view.labelled is not None:
        return None
    user = int(view.corpus.interactions.users[event])
    others = view.sample_negatives(event, 1, rng)  # none where the user has met all there are
    return Record("click", {"verdict": NO}, user, others[0], event) if others else None


CLICK = Task(
    name="click",
    predictions=Clicks,
    capability="predict_click",
    metrics=("AUC", "log loss", "Brier"),
    references=("item-click-rate",),
    answers=("verdict",),
    rows=_rows,
    build=_taken,
    further=_drawn,
)
