"""Histories cut into windows, anew in each epoch. U users, R windows."""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import combined


def cut(offsets: np.ndarray, window: int, luck: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows of at least two events, shuffled: ``(R, 2)`` begin and end, and ``(R,)`` their keys.

    A history of n events is cut every ``window`` events from a drawn phase, so that over the
    epochs each event is seen with contexts of all lengths; one that fits is not cut. A user's
    windows, and which of any two windows comes first, depend on nobody else.

    Args:
        offsets: ``(U + 1,)`` where each history begins.
        window: the most events of a window.
        luck: ``(U,)`` uint64, drawn for each user in this epoch.
    """
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    phase = np.where(length > window, (luck % np.uint64(window)).astype(np.int64), 0)
    first = np.where(phase > 0, phase, window)  # length of a history's first piece
    pieces = 1 + np.maximum(0, -(-(length - first) // window))
    owner = np.repeat(np.arange(len(length)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
    start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
    kept = stop - start >= 2
    keys = combined(luck[owner[kept]], nth[kept].astype(np.uint64))
    order = np.argsort(keys, kind="stable")
    return np.stack([start, stop], axis=1)[kept][order], keys[order]
