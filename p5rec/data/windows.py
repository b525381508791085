"""Histories cut into windows, anew in each epoch. U users, R windows."""

from __future__ import annotations

import numpy as np


def cut(offsets: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """``(R, 2)`` begin and end of each window of at least two events, shuffled.

    A history of n events is cut every ``window`` events from a drawn phase, so that over the
    epochs each event is seen with contexts of all lengths; one that fits is not cut.

    Args:
        offsets: ``(U + 1,)`` where each history begins.
        window: the most events of a window.
        rng: of this epoch.
    """
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    phase = np.where(length > window, rng.integers(0, window, len(length)), 0)
    first = np.where(phase > 0, phase, window)  # length of a history's first piece
    pieces = 1 + np.maximum(0, -(-(length - first) // window))
    owner = np.repeat(np.arange(len(length)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
    start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
    cuts = np.stack([start, stop], axis=1)
    return rng.permutation(cuts[stop - start >= 2])
