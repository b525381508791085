"""Row numbers → one padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from p5rec.models.batches import pad

from .rows import IGNORE, Row, Rows


@dataclass(frozen=True, eq=False)
class Collator:
    """Fetches rows from their tasks and pads them on the right.

    Attributes:
        tasks: rows of each task.
        weights: loss weight of each task.
        task_of, row_of: ``(R,)`` each row's task and its number within it.
        pad_id: the padding token.
    """

    tasks: Sequence[Rows]
    weights: np.ndarray
    task_of: np.ndarray
    row_of: np.ndarray
    pad_id: int

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        numbers = [entry["row"] for entry in batch]
        rows = [self.tasks[self.task_of[n]][int(self.row_of[n])] for n in numbers]
        input_ids, _ = pad([row.input_ids for row in rows], self.pad_id)
        labels, _ = pad([row.labels for row in rows], IGNORE)
        blank, _ = pad([_or(row.blank, row, False) for row in rows], False)
        ratings, _ = pad([_or(row.ratings, row, np.float32(np.nan)) for row in rows], np.nan)
        weights = self.weights[self.task_of[numbers]]
        return {
            **_aligned(rows),
            "input_ids": input_ids,
            "labels": labels,
            "blank": blank,
            "ratings": ratings,
            "weights": torch.tensor(weights, dtype=torch.float32),
        }


def _aligned(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """The columns of alignment that any of the rows has."""
    out = {}
    for name, nothing in {"candidates": -1, "reference": 0.0, "draws": 0}.items():
        given = [getattr(row, name) for row in rows]
        some = next((values for values in given if values is not None), None)
        if some is not None:
            wide = some.shape[1:]
            filled = [
                np.full((len(row.labels), *wide), nothing, some.dtype) if values is None else values
                for values, row in zip(given, rows, strict=True)
            ]
            out[name] = pad(filled, nothing)[0]
    return out


def _or(values: np.ndarray | None, row: Row, nothing: Any) -> np.ndarray:
    """``values``, or ``nothing`` at every token of ``row``."""
    return np.full(len(row.labels), nothing) if values is None else values
