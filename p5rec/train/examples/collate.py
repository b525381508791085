"""Collates slots to a batch: one example per sequence, or several packed into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from p5rec.models.inputs import pad

from .example import FILLERS, IGNORE, TrainingExample, TrainingExamples, field_values

ALWAYS = ("blank", "ratings")  # fields of every batch, even if no example has them


@dataclass(frozen=True, eq=False)
class Collator:
    """Collects the examples of slots and pads them on the right.

    Attributes:
        tasks: examples of each task.
        weights: loss weight of each task.
        examples_per_slot: of each task.
        task_of: ``(S,)`` the task of each slot.
        slot_of: ``(S,)`` the index of each slot within its task.
        pad_id: the padding token.
        start: the start token of the decoder; None: there is no encoder.
        packing: tokens of a sequence that examples are packed into; 0: one example a sequence.
    """

    tasks: Sequence[TrainingExamples]
    weights: np.ndarray
    examples_per_slot: np.ndarray
    task_of: np.ndarray
    slot_of: np.ndarray
    pad_id: int
    start: int | None = None
    packing: int = 0

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        task_of, index_of = self.examples_of(np.array([entry["slot"] for entry in batch]))
        examples = [self.tasks[task][int(n)] for task, n in zip(task_of, index_of, strict=True)]
        source: dict[str, Tensor] = {}
        if self.start is not None:
            pairs = [example.encoder_and_decoder(self.start) for example in examples]
            ids, mask = pad([encoder.input_ids for encoder, _ in pairs], self.pad_id)
            blank, _ = pad(field_values([encoder for encoder, _ in pairs], "blank"), False)
            examples = [decoder for _, decoder in pairs]
            source = {"source": ids, "source_mask": mask, "source_blank": blank}
            if (vectors := _points([encoder for encoder, _ in pairs])) is not None:
                soft, points = vectors
                source |= {"source_soft": pad(soft, -1)[0], "points": points}
        lengths = np.array([len(example.labels) for example in examples])
        sequences = (
            pack(lengths, self.packing) if self.packing else np.arange(len(examples))[:, None]
        )

        def batched(values: Sequence[np.ndarray], filler: float) -> Tensor:
            joined = [np.concatenate([values[i] for i in sequence]) for sequence in sequences]
            return pad(joined, filler)[0]

        tasks = [
            np.full(n, task) if example.tasks is None else example.tasks
            for example, n, task in zip(examples, lengths, task_of, strict=True)
        ]
        weights = [self.weights[each].astype(np.float32) for each in tasks]
        tensors = {
            "input_ids": batched([example.input_ids for example in examples], self.pad_id),
            "labels": batched([_without_first(example.labels) for example in examples], IGNORE),
            "tasks": batched(tasks, 0),
            "weights": batched(weights, 0),
            "mask": batched([np.ones(n, dtype=bool) for n in lengths], False),
        }
        for name, filler in FILLERS.items():
            if name in ALWAYS or any(getattr(each, name) is not None for each in examples):
                tensors[name] = batched(field_values(examples, name), filler)
        if self.packing or any(example.branches is not None for example in examples):
            tensors["documents"] = batched(_documents(examples), -1)
        if (vectors := _points(examples)) is not None:
            soft, points = vectors
            tensors |= {"soft": batched(soft, -1), "points": points}
        if "after" in tensors:
            tensors["after"] = batched(_after(examples, sequences), -1)
        return tensors | source

    def examples_of(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(R,)`` the task of each example in ``slots``, and ``(R,)`` its index in the task."""
        tasks = self.task_of[slots]
        counts = self.examples_per_slot[tasks]
        first = np.repeat(self.slot_of[slots] * counts, counts)
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        return np.repeat(tasks, counts), first + within


def pack(lengths: np.ndarray, size: int) -> list[list[int]]:
    """Packs examples into sequences of at most ``size`` tokens (best fit, longest first).

    An example longer than ``size`` has a sequence of its own.

    Returns:
        The indices of the examples of each sequence.
    """
    sequences: list[list[int]] = []
    free = np.empty(0, dtype=np.int64)
    for i in np.argsort(-lengths, kind="stable"):
        fits = np.flatnonzero(free >= lengths[i])
        if len(fits):
            best = fits[free[fits].argmin()]
            sequences[best].append(int(i))
            free[best] -= lengths[i]
        else:
            sequences.append([int(i)])
            free = np.append(free, size - lengths[i])
    return sequences


def _documents(examples: Sequence[TrainingExample]) -> list[np.ndarray]:
    """The number ``(T,)`` of the document of each token, one document for each branch."""
    first, numbers = 0, []
    for example in examples:
        branches = example.branches
        own = np.zeros_like(example.labels) if branches is None else branches
        numbers.append(first + own)
        first += 1 + int(own[-1])
    return numbers


def _after(
    examples: Sequence[TrainingExample], sequences: Iterable[Sequence[int]]
) -> list[np.ndarray]:
    """The token ``(T,)`` of the sequence that the document of each token continues; -1: none."""
    out = field_values(examples, "after")
    for sequence in sequences:
        first = 0
        for i in sequence:
            out[i] = np.where(out[i] < 0, -1, out[i] + first)
            first += len(out[i])
    return out


def _points(examples: Sequence[TrainingExample]) -> tuple[list[np.ndarray], Tensor] | None:
    """The row ``(T,)`` of each token's vector, and the vectors ``(V, d)`` of all examples; None:
    there are no vectors."""
    points = [example.points for example in examples if example.points is not None]
    if not points:
        return None
    counts = [0 if example.points is None else len(example.points) for example in examples]
    firsts = np.cumsum([0, *counts[:-1]])
    soft = [
        np.where(own < 0, -1, own + first)
        for own, first in zip(field_values(examples, "soft"), firsts, strict=True)
    ]
    return soft, torch.from_numpy(np.concatenate(points).astype(np.float32))


def _without_first(labels: np.ndarray) -> np.ndarray:
    """``labels`` without a target at the first token, which no position precedes."""
    return np.concatenate([[IGNORE], labels[1:]])
