"""Many tasks, one stream of slots for rows: whose a slot is depends on its number alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from p5rec.core.rng import derive_rng

from .config import TaskConfig


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
