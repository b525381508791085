"""What a training reads, when, and for how many steps.

A step reads slots, and a slot holds the rows of one task: whose a slot is depends on its number
alone. S slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from p5rec.core.rng import derive_rng, occurrence
from p5rec.core.types import Corpus
from p5rec.data.windows import Windows

from .config import TaskConfig, TrainConfig
from .examples.example import TrainingExamples

if TYPE_CHECKING:
    from .examples.collate import Collator

STEPS = 10  # a pass has at least so many: smaller logs take smaller steps
EVEN = 8  # a batch is a multiple of it where it can be, so that several processes can share it


def epochs_to_steps(config: TrainConfig, corpus: Corpus) -> TrainConfig:
    """``config`` with its ``epochs``, if it has any, told in steps of this corpus.

    Raises:
        UserError: nobody has two training events.
    """
    epochs = config.epochs
    if epochs is None:
        return config
    next_item, log = config.next_item, corpus.interactions
    windows = Windows(log, corpus.split, next_item.window, None, config.seed, next_item.targets)
    rows, lengths = windows.epoch_windows, windows.lengths
    events = int(lengths.sum())
    taught = int(np.minimum(lengths, next_item.targets_per_example or lengths).sum())
    batch = max(1, round(rows * min(epochs.targets_per_step / events, 1 / STEPS)))
    batch -= batch % EVEN if batch > EVEN else 0
    steps = ceil(rows / batch)
    waits = epochs.stop_after is None
    return config.model_copy(
        update={
            "epochs": None,
            "batch": batch,
            "accumulate": 1,
            "steps": epochs.max_epochs * steps,
            "divisor": taught / steps,
            "average": epochs.ema_epochs * steps,
            "evaluate_every": steps if waits else 0,
            "patience": epochs.patience if waits else 0,
            "stop_after": None if epochs.stop_after is None else epochs.stop_after * steps,
        }
    )


def assign_tasks(tasks: Mapping[str, TaskConfig], n_slots: int, seed: int) -> np.ndarray:
    """``(S,)``: for each slot the index of its task, drawn by the tasks' shares."""
    shares = np.array([task.share for task in tasks.values()])
    return derive_rng(seed, "mixture").choice(len(shares), size=n_slots, p=shares / shares.sum())


def tempered(
    tasks: Mapping[str, TaskConfig], sizes: Mapping[str, int], temperature: float
) -> dict[str, TaskConfig]:
    """The tasks, their shares times their ``sizes`` to the power 1 / temperature.

    At 1 a task's slots are in proportion to the examples it has; the higher, the more alike. After
    Raffel et al. 2020 (arXiv 1910.10683, section 3.5.2), without their limit on sizes.
    """
    return {
        name: task.model_copy(update={"share": task.share * sizes[name] ** (1 / temperature)})
        for name, task in tasks.items()
    }


def batch_order(tasks: np.ndarray, lengths: np.ndarray, batch: int, seed: int) -> np.ndarray:
    """The order ``(S,)`` in which slots are read: batches of one task and like length.

    Slots are sorted by task and length within groups of 16 batches, then whole batches are
    shuffled, so that little is padded and the stream still mixes.
    """
    rng = derive_rng(seed, "batches")
    full = len(tasks) // batch * batch
    pieces = []
    for start in range(0, full, 16 * batch):
        slots = np.arange(start, min(start + 16 * batch, full))
        order = np.lexsort((lengths[slots], tasks[slots]))
        pieces.append(rng.permutation(slots[order].reshape(-1, batch)).reshape(-1))
    return np.concatenate([*pieces, np.arange(full, len(tasks))])


class Schedule:
    """Which rows of which task a training reads, and when.

    Args:
        tasks: rows of each task, in the order of ``config.tasks``; those that fill one slot of
            a batch stand together.
        task_of: ``(S,)`` the task of each slot (see :func:`assign_tasks`).
        config: the training.
        slot_of: ``(S,)`` its number within the task; None: those that come before it are counted.

    Attributes:
        order: ``(S,)`` the slots as they are read, ``config.slots`` a step.
    """

    def __init__(
        self,
        tasks: Mapping[str, TrainingExamples],
        task_of: np.ndarray,
        config: TrainConfig,
        slot_of: np.ndarray | None = None,
    ) -> None:
        self.tasks, self.config = tasks, config
        asked = [config.tasks[name] for name in tasks]
        self.weights = np.array([task.weight for task in asked])
        self.rows = np.array([task.examples for task in asked])
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
        task_of, index_of = self.collator(0, None).filled(slots)
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
        from .examples.collate import Collator  # a config is read without torch

        tables, packing = list(self.tasks.values()), self.config.packing
        return Collator(
            tables, self.weights, self.rows, self.task_of, self.slot_of, pad_id, start, packing
        )
