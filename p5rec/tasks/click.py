"""Click prediction: did the user take the item?

With labelled data, the queries are the labelled events, positive and negative. Otherwise each
held-out event gives two queries: a positive one with its own item, and a negative one with a
sampled item that was available at that time and that the user has no event with.
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .fields import NO, YES
from .predictions import Clicks
from .sequential import next_rows
from .view import CorpusView


def _click_rows(view: CorpusView, split_name: str) -> np.ndarray:
    if view.labelled is None:
        return next_rows(view, split_name)
    return np.flatnonzero(view.targets(split_name) & view.labelled)


def _click_queries(view: CorpusView, events: np.ndarray, seed: int) -> Clicks:
    log = view.corpus.interactions
    items, clicked = log.items[events], np.ones(len(events), dtype=bool)
    if view.labelled is None:
        events, items, clicked = _with_negatives(view, events, seed)
    elif log.labels is not None:
        clicked = log.labels[events] == 1
    return Clicks(
        task="click",
        family="click",
        users=log.users[events].tolist(),
        items=items.tolist(),
        events=events.tolist(),
        expected=np.where(clicked, YES, NO).tolist(),
        clicked=clicked.tolist(),
        negatives="sampled" if view.labelled is None else "labelled",
    )


def _with_negatives(
    view: CorpusView, events: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, items and labels ``(B,)`` of ``events`` and their sampled negatives."""
    rows: list[tuple[int, int, bool]] = []
    for event in events.tolist():
        rows.append((event, int(view.corpus.interactions.items[event]), True))
        rng = np.random.default_rng(CLICK.seed(view, event, seed))
        negatives = view.sample_negatives(event, 1, rng)  # empty if the user has met every item
        rows += [(event, item, False) for item in negatives]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(bool)


CLICK = Task(
    name="click",
    predictions=Clicks,
    capability="predict_click",
    metrics=("AUC", "gAUC", "log loss"),
    references=("item-click-rate",),
    target_fields=("verdict",),
    rows=_click_rows,
    query=_click_queries,
    all_earlier=True,
)
