"""Slots → one batch: a row a line, or several packed into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from p5rec.models.inputs import pad

from .example import IGNORE, TrainingExample, TrainingExamples

# columns of a row that it may leave out, and what each of its tokens then has there
FILLERS: dict[str, Any] = {
    "blank": np.False_,
    "ratings": np.float32(np.nan),
    "candidates": np.int64(-1),
    "reference": np.float32(0),
    "draws": np.int64(0),
    "back": np.int64(1),
}
ALWAYS = ("blank", "ratings")  # in a batch, whether a row has them or not


@dataclass(frozen=True, eq=False)
class Collator:
    """Fetches rows from their tasks and pads them on the right.

    Attributes:
        tasks: rows of each task.
        weights: loss weight of each task.
        rows: that fill one slot, of each task.
        task_of, slot_of: ``(S,)`` each slot's task and how many earlier ones have the same.
        pad_id: the padding token.
        start: the token that opens an answer, where an encoder reads the source; None: there is no
            encoder.
        packing: tokens a line, into which rows are packed; 0: each row has a line of its own.
    """

    tasks: Sequence[TrainingExamples]
    weights: np.ndarray
    rows: np.ndarray
    task_of: np.ndarray
    slot_of: np.ndarray
    pad_id: int
    start: int | None = None
    packing: int = 0

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        task_of, index_of = self.filled(np.array([entry["slot"] for entry in batch]))
        rows = [self.tasks[task][int(n)] for task, n in zip(task_of, index_of, strict=True)]
        source: dict[str, Tensor] = {}
        if self.start is not None:
            halves = [row.halves(self.start) for row in rows]
            ids, mask = pad([read.input_ids for read, _ in halves], self.pad_id)
            blank, _ = pad(_column([read for read, _ in halves], "blank"), False)
            rows = [asked for _, asked in halves]
            source = {"source": ids, "source_mask": mask, "source_blank": blank}
        lengths = np.array([len(row.labels) for row in rows])
        lines = pack(lengths, self.packing) if self.packing else np.arange(len(rows))[:, None]

        def laid(values: Sequence[np.ndarray], filler: float) -> Tensor:
            return pad([np.concatenate([values[r] for r in line]) for line in lines], filler)[0]

        tasks = [np.full(n, task) for n, task in zip(lengths, task_of, strict=True)]
        weights = [self.weights[each].astype(np.float32) for each in tasks]
        given = {
            "input_ids": laid([row.input_ids for row in rows], self.pad_id),
            "labels": laid([_opened(row.labels) for row in rows], IGNORE),
            "tasks": laid(tasks, 0),
            "weights": laid(weights, 0),
        }
        for name, filler in FILLERS.items():
            if name in ALWAYS or any(getattr(row, name) is not None for row in rows):
                given[name] = laid(_column(rows, name), filler)
        if self.packing:
            places = [np.full(n, r) for r, n in enumerate(lengths)]
            given["documents"] = laid(places, len(rows))
        return given | source

    def filled(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(R,)`` the task of each row in ``slots``, and its number within the task."""
        tasks = self.task_of[slots]
        counts = self.rows[tasks]
        first = np.repeat(self.slot_of[slots] * counts, counts)
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        return np.repeat(tasks, counts), first + within


def pack(lengths: np.ndarray, size: int) -> list[list[int]]:
    """Rows in lines of at most ``size`` tokens, longest first, each where it fills best.

    A row that is longer than ``size`` has a line of its own.
    """
    lines: list[list[int]] = []
    room = np.empty(0, dtype=np.int64)
    for row in np.argsort(-lengths, kind="stable"):
        fits = np.flatnonzero(room >= lengths[row])
        if len(fits):
            line = fits[room[fits].argmin()]
            lines[line].append(int(row))
            room[line] -= lengths[row]
        else:
            lines.append([int(row)])
            room = np.append(room, size - lengths[row])
    return lines


def _opened(labels: np.ndarray) -> np.ndarray:
    """``labels`` without one at the first token: nothing stands before it that could say it."""
    return np.concatenate([[IGNORE], labels[1:]])


def _column(rows: Sequence[TrainingExample], name: str) -> list[np.ndarray]:
    """What each row has in a column of :data:`FILLERS`, ``(T, ...)``."""
    given = [getattr(row, name) for row in rows]
    wide = next((values.shape[1:] for values in given if values is not None), ())
    return [
        np.full((len(row.labels), *wide), FILLERS[name]) if values is None else values
        for row, values in zip(rows, given, strict=True)
    ]
