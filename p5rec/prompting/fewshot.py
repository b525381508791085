"""Worked examples: training rows of other users, drawn anew for every row posed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import derive_rng

from . import tasks
from .draft import Limits
from .fields import Record
from .view import CorpusView

TRIES = 40  # draws per example wanted, before fewer are given


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows to take worked examples from, on a ring in the order of their keys.

    A draw is a point of the ring and gives the row that comes next, so that a row which is not
    there changes only what would have been drawn of it.

    Attributes:
        rows: ``(R,)``.
        keys: ``(R,)`` uint64, ascending.
    """

    rows: np.ndarray
    keys: np.ndarray

    @classmethod
    def of(cls, view: CorpusView, task: str) -> Pool:
        """The training rows of a task."""
        kind = tasks.get(task)
        rows = kind.rows(view, "train")
        keys = kind.keys(view)[rows]
        order = np.argsort(keys, kind="stable")
        return cls(rows[order], keys[order])

    def draw(self, count: int, rng: np.random.Generator) -> list[int]:
        """``count`` rows, the same one more than once perhaps; none of an empty pool."""
        if not len(self.rows):
            return []
        points = rng.integers(2**64, size=count, dtype=np.uint64)
        found: list[int] = self.rows[np.searchsorted(self.keys, points) % len(self.rows)].tolist()
        return found


def choose(
    view: CorpusView, record: Record, pool: Pool, count: int, seed: int, limits: Limits
) -> tuple[Record, ...]:
    """Up to ``count`` records to work through before ``record`` is posed.

    Each is another user's (another item's, in the tasks about items), and none names the item
    that ``record`` is about, nor one of the same title, in any field.

    Args:
        view: the corpus.
        record: the row to be posed.
        pool: training rows of the record's task.
        count: examples wanted.
        seed: the row's own.
        limits: how much each shows.
    """
    task = tasks.get(record.task)
    own, keys = view.names.titles[record.item], task.keys(view)
    chosen: dict[int, Record] = {}
    for row in pool.draw(TRIES * count, derive_rng(seed, "shots")) if count else []:
        if len(chosen) == count:
            break
        if row in chosen or (not task.of_items and _user(view, row) == record.user):
            continue
        shot = task.build(view, row, derive_rng(seed, "shot", int(keys[row])), limits)
        if own not in (view.names.titles[item] for item in shot.mentions):
            chosen[row] = shot
    return tuple(chosen.values())


def _user(view: CorpusView, event: int) -> int:
    return int(view.corpus.interactions.users[event])
