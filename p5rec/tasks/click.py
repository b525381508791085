"""Click prediction: did the user take the item?

With labelled data, the queries are the labelled events, positive and negative. Otherwise each
held-out event gives two queries: a positive one with its own item, and a negative one with a
sampled item that was available at that time and that the user has no event with.
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .fields import NO, YES, Record
from .predictions import Clicks
from .record_builder import Limits
from .sequential import next_rows
from .view import CorpusView


def _click_rows(view: CorpusView, split_name: str) -> np.ndarray:
    if view.labelled is None:
        return next_rows(view, split_name)
    return np.flatnonzero(view.targets(split_name) & view.labelled)


def _event_record(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, labelled = view.corpus.interactions, view.labelled is not None
    verdict = NO if labelled and log.labels is not None and log.labels[event] == 0 else YES
    user, item = int(log.users[event]), int(log.items[event])
    return Record("click", {"verdict": verdict}, user, item, event, labelled=labelled)


def _negative_record(
    view: CorpusView, event: int, rng: np.random.Generator, limits: Limits
) -> Record | None:
    if view.labelled is not None:
        return None
    user = int(view.corpus.interactions.users[event])
    negatives = view.sample_negatives(event, 1, rng)  # empty if the user has met every item
    return Record("click", {"verdict": NO}, user, negatives[0], event) if negatives else None


CLICK = Task(
    name="click",
    predictions=Clicks,
    capability="predict_click",
    metrics=("AUC", "gAUC", "log loss"),
    references=("item-click-rate",),
    target_fields=("verdict",),
    rows=_click_rows,
    build=_event_record,
    further=_negative_record,
    all_earlier=True,
)
