"""Ragged token sequences → padded tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


def pad(rows: Sequence[np.ndarray], value: float) -> tuple[Tensor, Tensor]:
    """Rows ``(B, T, ...)``, of their own type, and their mask ``(B, T)`` int64, T the longest."""
    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]
    out = np.full((*real.shape, *rows[0].shape[1:]), value, dtype=rows[0].dtype)
    out[real] = np.concatenate(rows)
    return torch.from_numpy(out), torch.from_numpy(real.astype(np.int64))


def by_length(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Rows in groups of like length, at most ``tokens`` padded tokens each, longest first.

    The longest come first, so a batch that does not fit in memory fails at once.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
