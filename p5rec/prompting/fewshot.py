"""Worked examples: training rows of other users, drawn anew for every row posed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.tasks.draft import Limits
from p5rec.tasks.fields import Record
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

TRIES = 40  # rows looked at for each example wanted, before fewer are given


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows to take worked examples from, on a ring in the order of their keys.

    A draw is a point of the ring, and takes the first row from there on that fits, so that a row
    which is not there changes only what would have taken it.

    Attributes:
        rows: ``(R,)``.
        keys: ``(R,)`` uint64, ascending.
    """

    rows: np.ndarray
    keys: np.ndarray

    @classmethod
    def of(cls, view: CorpusView, task: str) -> Pool:
        """The training rows of a task."""
        kind = TASKS.get(task)
        rows = kind.rows(view, "train")
        keys = kind.keys(view)[rows]
        order = np.argsort(keys, kind="stable")
        return cls(rows[order], keys[order])

    def after(self, point: np.uint64) -> list[int]:
        """Up to ``TRIES`` rows from ``point`` on, around the ring."""
        first = np.searchsorted(self.keys, point)
        near = first + np.arange(min(TRIES, len(self.rows)))
        rows: list[int] = self.rows.take(near, mode="wrap").tolist() if len(near) else []
        return rows


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
    task = TASKS.get(record.task)
    own, keys = view.names.titles[record.item], task.keys(view)
    chosen: dict[int, Record] = {}
    for point in derive_rng(seed, "shots").integers(2**64, size=count, dtype=np.uint64):
        for row in pool.after(point):
            if row in chosen or (not task.of_items and _user(view, row) == record.user):
                continue
            shot = task.build(view, row, derive_rng(seed, "shot", int(keys[row])), limits)
            if own not in (view.names.titles[item] for item in shot.mentions):
                chosen[row] = shot
                break
    return tuple(chosen.values())


def _user(view: CorpusView, event: int) -> int:
    return int(view.corpus.interactions.users[event])
