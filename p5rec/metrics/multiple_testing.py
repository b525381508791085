"""Correction of p-values for multiple comparisons."""

from __future__ import annotations

from math import ceil

import numpy as np

from .intervals import LEVEL, RESAMPLES


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of M comparisons (Holm 1979, step-down Bonferroni).

    The smallest p-value is multiplied by M, the next by M - 1, and so on. The adjusted values are
    made non-decreasing and capped at 1. With the threshold .05, the probability of at least one
    false claim in the family is at most .05. This holds under any dependence; comparisons that
    share methods and users are dependent. Simultaneous (max-T) intervals would be slightly more
    powerful, but a new method in the table would change the intervals of the others.

    Args:
        p: ``(M,)``; NaN stands for no comparison and stays NaN.

    Returns:
        ``(M,)``.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    raised = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted


def resamples_for(comparisons: int) -> int:
    """The number of resamples with which the smallest possible p-value survives the correction."""
    return max(RESAMPLES, ceil(2 * comparisons / (1 - LEVEL)))
