"""Several comparisons made together: p-values that hold for all of them at once."""

from __future__ import annotations

from math import ceil

import numpy as np

from .intervals import LEVEL, RESAMPLES


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of M comparisons (Holm 1979, step-down Bonferroni).

    The smallest is multiplied by M, the next by M - 1, and so on; none falls below one before it,
    and none exceeds 1. Claiming the differences whose adjusted value is at most .05 makes any
    false claim at all in at most 5 of 100 such families. It holds however the comparisons hang
    together, and ours do: they share methods and users. Simultaneous (max-T) intervals would use
    that and claim a little more, but need the draws of all comparisons side by side, and one
    method's interval would move when another joins the table.

    Args:
        p: ``(M,)``; NaN is no comparison and stays NaN.

    Returns:
        ``(M,)``.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    raised = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted


def resamples_for(comparisons: int) -> int:
    """Resamples of which the smallest p-value can survive the adjustment among so many."""
    return max(RESAMPLES, ceil(2 * comparisons / (1 - LEVEL)))
