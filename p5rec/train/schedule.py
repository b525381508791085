"""The training schedule: which examples are used in which step, and the number of steps.

A step has a number of slots. A slot holds examples of one task, which depends on the slot's number
only. S slots.
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

STEPS = 10  # minimum of an epoch: small data sets have smaller batches
EVEN = 8  # large batches are multiples of it, so that several processes can share them


def epochs_to_steps(config: TrainConfig, corpus: Corpus) -> TrainConfig:
    """``config`` with ``epochs`` converted to steps for this corpus; unchanged without ``epochs``.

    Raises:
        UserError: no user has two training events.
    """
    epochs = config.epochs
    if epochs is None:
        return config
    next_item, log = config.next_item, corpus.interactions
    windows = Windows(log, corpus.split, next_item.window, None, config.seed, next_item.targets)
    n_windows, lengths = windows.epoch_windows, windows.lengths
    events = int(lengths.sum())
    targets = int(np.minimum(lengths, next_item.targets_per_example or lengths).sum())
    batch = max(1, round(n_windows * min(epochs.targets_per_step / events, 1 / STEPS)))
    batch -= batch % EVEN if batch > EVEN else 0
    steps = ceil(n_windows / batch)
    stops_early = epochs.stop_after is None
    return config.model_copy(
        update={
            "epochs": None,
            "batch": batch,
            "accumulate": 1,
            "steps": epochs.max_epochs * steps,
            "divisor": targets / steps,
            "average": epochs.ema_epochs * steps,
            "evaluate_every": steps if stops_early else 0,
            "patience": epochs.patience if stops_early else 0,
            "stop_after": None if epochs.stop_after is None else epochs.stop_after * steps,
        }
    )


def assign_tasks(tasks: Mapping[str, TaskConfig], n_slots: int, seed: int) -> np.ndarray:
    """``(S,)``: the index of each slot's task, sampled in proportion to the tasks' shares."""
    shares = np.array([task.share for task in tasks.values()])
    return derive_rng(seed, "mixture").choice(len(shares), size=n_slots, p=shares / shares.sum())


def tempered(
    tasks: Mapping[str, TaskConfig], sizes: Mapping[str, int], temperature: float
) -> dict[str, TaskConfig]:
    """The tasks with shares multiplied by ``sizes`` to the power 1 / temperature.

    At temperature 1 slots are proportional to the number of examples; a higher temperature makes
    them more equal (Raffel et al. 2020, arXiv 1910.10683, section 3.5.2, without their limit on
    sizes).
    """
    return {
        name: task.model_copy(update={"share": task.share * sizes[name] ** (1 / temperature)})
        for name, task in tasks.items()
    }


def batch_order(tasks: np.ndarray, lengths: np.ndarray, batch: int, seed: int) -> np.ndarray:
    """The order ``(S,)`` of slots, in batches of one task and similar length.

    Slots are sorted by task and length within groups of 16 batches, then the batches of a group
    are shuffled. Batches have little padding, and tasks stay mixed.
    """
    rng = derive_rng(seed, "batches")
    full = len(tasks) // batch * batch
    groups = []
    for start in range(0, full, 16 * batch):
        slots = np.arange(start, min(start + 16 * batch, full))
        order = np.lexsort((lengths[slots], tasks[slots]))
        groups.append(rng.permutation(slots[order].reshape(-1, batch)).reshape(-1))
    return np.concatenate([*groups, np.arange(full, len(tasks))])


class Schedule:
    """The examples of every training step.

    Args:
        tasks: examples of each task, in the order of ``config.tasks``; the examples of one slot
            are consecutive.
        task_of: ``(S,)`` the task of each slot (see :func:`assign_tasks`).
        config: the training.
        slot_of: ``(S,)`` the slot's index within its task; None: in order.

    Attributes:
        order: ``(S,)`` the slots in training order, ``config.slots`` a step.
    """

    def __init__(
        self,
        tasks: Mapping[str, TrainingExamples],
        task_of: np.ndarray,
        config: TrainConfig,
        slot_of: np.ndarray | None = None,
    ) -> None:
        self.tasks, self.config = tasks, config
        settings = [config.tasks[name] for name in tasks]
        self.weights = np.array([task.weight for task in settings])
        self.examples_per_slot = np.array([task.examples for task in settings])
        self.task_of = task_of
        self.slot_of = occurrence(task_of) if slot_of is None else slot_of
        lengths = np.empty(len(task_of), dtype=np.int64)
        for index, (examples, each) in enumerate(
            zip(tasks.values(), self.examples_per_slot, strict=True)
        ):
            own = task_of == index
            longest = examples.lengths.reshape(-1, each).max(axis=1)
            lengths[own] = longest[self.slot_of[own]]
        self.order = batch_order(task_of, lengths, config.batch, config.seed)

    def describe_step(self, done: int) -> str:
        """The examples of the step after ``done`` steps, as text."""
        slots = self.order[done * self.config.slots : (done + 1) * self.config.slots]
        task_of, index_of = self.collator(0, None).examples_of(slots)
        named = [
            f"{name} {', '.join(map(str, index_of[task_of == task]))}"
            for task, name in enumerate(self.tasks)
            if (task_of == task).any()
        ]
        return "examples of " + "; ".join(named)

    def collator(self, pad_id: int, start: int | None) -> Collator:
        """The collator that builds batches from slots.

        Args:
            pad_id: the padding token.
            start: the start token of the decoder, if there is an encoder.
        """
        from .examples.collate import Collator  # a config is read without torch

        examples, packing = list(self.tasks.values()), self.config.packing
        return Collator(
            examples,
            self.weights,
            self.examples_per_slot,
            self.task_of,
            self.slot_of,
            pad_id,
            start,
            packing,
        )
