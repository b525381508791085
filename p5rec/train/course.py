"""What a training reads, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from p5rec.core.rng import occurrence

from .collate import Collator
from .config import TrainConfig
from .mixture import batch_order
from .rows import Rows


class Course:
    """Which rows of which task a training reads, and when.

    Args:
        tasks: rows of each task, in the order of ``config.tasks``; those that fill one slot of
            a batch stand together.
        task_of: ``(S,)`` the task of each slot (see ``p5rec.train.mixture``).
        config: the training.
        slot_of: ``(S,)`` its number within the task; None: those that come before it are counted.

    Attributes:
        order: ``(S,)`` the slots as they are read, ``config.slots`` a step.
    """

    def __init__(
        self,
        tasks: Mapping[str, Rows],
        task_of: np.ndarray,
        config: TrainConfig,
        slot_of: np.ndarray | None = None,
    ) -> None:
        self.tasks, self.config = tasks, config
        asked = [config.tasks[name] for name in tasks]
        self.weights = np.array([task.weight for task in asked])
        self.rows = np.array([task.rows for task in asked])
        self.task_of = task_of
        self.slot_of = occurrence(task_of) if slot_of is None else slot_of
        lengths = np.empty(len(task_of), dtype=np.int64)
        for index, (table, each) in enumerate(zip(tasks.values(), self.rows, strict=True)):
            mine = task_of == index
            longest = table.lengths.reshape(-1, each).max(axis=1)
            lengths[mine] = longest[self.slot_of[mine]]
        self.order = batch_order(task_of, lengths, config.batch, config.seed)

    def told(self, done: int) -> str:
        """The rows of the step after ``done`` others, in words."""
        slots = self.order[done * self.config.slots : (done + 1) * self.config.slots]
        task_of, row_of = self.collator(0, None).filled(slots)
        named = [
            f"{name} {', '.join(map(str, row_of[task_of == task]))}"
            for task, name in enumerate(self.tasks)
            if (task_of == task).any()
        ]
        return "rows of " + "; ".join(named)

    def collator(self, pad_id: int, start: int | None) -> Collator:
        """What makes batches of slots.

        Args:
            pad_id: the padding token.
            start: the token that opens an answer, where there is an encoder.
        """
        tables, packing = list(self.tasks.values()), self.config.packing
        return Collator(
            tables, self.weights, self.rows, self.task_of, self.slot_of, pad_id, start, packing
        )
