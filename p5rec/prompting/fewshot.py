"""Worked examples: training rows of other users, drawn anew for every row posed."""

from __future__ import annotations

import numpy as np

from . import tasks
from .draft import Limits
from .fields import Record
from .view import CorpusView

TRIES = 40  # draws per example wanted, before fewer are given


def choose(
    view: CorpusView,
    record: Record,
    pool: np.ndarray,
    count: int,
    rng: np.random.Generator,
    limits: Limits,
) -> tuple[Record, ...]:
    """Up to ``count`` records to work through before ``record`` is posed.

    Each is another user's (another item's, in the tasks about items), and none names the item
    that ``record`` is about, nor one of the same title, in any field.

    Args:
        view: the corpus.
        record: the row to be posed.
        pool: ``(R,)`` training rows of the record's task.
        count: examples wanted.
        rng: the row's own stream.
        limits: how much each shows.
    """
    task = tasks.get(record.task)
    own = view.names.titles[record.item]
    chosen: dict[int, Record] = {}
    for row in pool[rng.integers(len(pool), size=TRIES * count)].tolist() if len(pool) else []:
        if len(chosen) == count:
            break
        if row in chosen or (not task.of_items and _user(view, row) == record.user):
            continue
        shot = task.build(view, row, rng, limits)
        if own not in (view.names.titles[item] for item in shot.mentions):
            chosen[row] = shot
    return tuple(chosen.values())


def _user(view: CorpusView, event: int) -> int:
    return int(view.corpus.interactions.users[event])
