"""Which items of a history teach in alignment, and the seeds of what is drawn in their place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed

from .dense import DenseRows
from .rows import IGNORE, Row


def choose(rows: DenseRows, i: int, positions: int | None, seed: int) -> np.ndarray:
    """``(P,)`` ascending: the tokens of row ``i`` at which the items begin that teach.

    Args:
        positions: how many at most, drawn; None: all.
    """
    events = int(rows.windows.lengths[i])
    order = derive_rng(seed, "positions", int(rows.windows.keys[i])).permutation(events)
    return 1 + np.sort(order[:positions]) * rows.layout.codes.levels


def seeds(rows: DenseRows, i: int, tokens: np.ndarray, seed: int) -> np.ndarray:
    """``(P,)`` positive, one for each of the ``tokens (P,)`` of row ``i``, far apart."""
    key = int(rows.windows.keys[i])
    return np.array([derive_seed(seed, "draws", key, int(token)) >> 1 for token in tokens])


def only(row: Row, tokens: np.ndarray, levels: int) -> Row:
    """``row``, asked for the items that begin at ``tokens`` alone."""
    labels = np.full_like(row.labels, IGNORE)
    asked = (tokens[:, None] + np.arange(levels)).ravel()
    labels[asked] = row.labels[asked]
    return replace(row, labels=labels)
