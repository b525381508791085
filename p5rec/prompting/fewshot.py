"""Worked examples: training rows of other users, sampled anew for every prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.tasks.fields import Record
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

TRIES = 40  # rows tried per worked example; after that the prompt has fewer examples


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidate rows for worked examples, on a ring ordered by key.

    Each draw is a point on the ring and takes the first suitable row after it. Removing a row
    from the pool therefore changes only the draws that would have taken this row.

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
        """Up to ``TRIES`` rows after ``point``, around the ring."""
        first = np.searchsorted(self.keys, point)
        near = first + np.arange(min(TRIES, len(self.rows)))
        rows: list[int] = self.rows.take(near, mode="wrap").tolist() if len(near) else []
        return rows


def choose(
    view: CorpusView, record: Record, pool: Pool, count: int, seed: int, limits: Limits
) -> tuple[Record, ...]:
    """Up to ``count`` worked examples for the prompt of ``record``.

    Each example belongs to another user (to another item in item tasks). No field of an example
    names the item of ``record`` or an item with the same title.

    Args:
        view: the corpus.
        record: the record to prompt for.
        pool: training rows of the record's task.
        count: number of worked examples.
        seed: seed of the row.
        limits: length limits of each record.
    """
    task = TASKS.get(record.task)
    own, keys = view.names.titles[record.item], task.keys(view)
    chosen: dict[int, Record] = {}
    for point in derive_rng(seed, "shots").integers(2**64, size=count, dtype=np.uint64):
        for row in pool.after(point):
            if row in chosen or (task.of == "events" and _user(view, row) == record.user):
                continue
            shot = task.build(view, row, derive_rng(seed, "shot", int(keys[row])), limits)
            if own not in (view.names.titles[item] for item in shot.mentions):
                chosen[row] = shot
                break
    return tuple(chosen.values())


def _user(view: CorpusView, event: int) -> int:
    return int(view.corpus.interactions.users[event])
