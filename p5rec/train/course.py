"""The rows of a training, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .collate import Collator
from .config import TrainConfig
from .mixture import batch_order, occurrence
from .rows import Rows


class Course:
    """Which rows of which task a training reads, and when.

    Args:
        tasks: rows of each task, in the order of ``config.tasks``.
        task_of: ``(R,)`` the task of each row (see ``p5rec.train.mixture``).
        config: the training.
        row_of: ``(R,)`` its number within the task; None: those that come before it are counted.

    Attributes:
        order: ``(R,)`` the rows as they are read, ``config.rows`` a step.
    """

    def __init__(
        self,
        tasks: Mapping[str, Rows],
        task_of: np.ndarray,
        config: TrainConfig,
        row_of: np.ndarray | None = None,
    ) -> None:
        self.tasks, self.config, self.task_of = tasks, config, task_of
        self.row_of = occurrence(task_of) if row_of is None else row_of
        lengths = np.empty(len(task_of), dtype=np.int64)
        for index, rows in enumerate(tasks.values()):
            mine = task_of == index
            lengths[mine] = rows.lengths[self.row_of[mine]]
        self.order = batch_order(task_of, lengths, config.batch, config.seed)

    def told(self, done: int) -> str:
        """The rows of the step after ``done`` others, in words."""
        rows = self.order[done * self.config.rows : (done + 1) * self.config.rows]
        named = [
            f"{name} {', '.join(map(str, self.row_of[rows[self.task_of[rows] == task]]))}"
            for task, name in enumerate(self.tasks)
            if (self.task_of[rows] == task).any()
        ]
        return "rows of " + "; ".join(named)

    def collator(self, pad_id: int, start: int | None) -> Collator:
        """What makes batches of row numbers.

        Args:
            pad_id: the padding token.
            start: the token that opens an answer, where there is an encoder.
        """
        weights = np.array([self.config.tasks[name].weight for name in self.tasks])
        rows = list(self.tasks.values())
        packing = self.config.packing
        return Collator(rows, weights, self.task_of, self.row_of, pad_id, start, packing)
