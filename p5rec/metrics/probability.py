"""How good stated chances of yes are: of a click, or of taking an item."""

from __future__ import annotations

import numpy as np

from .intervals import Statistic, mean_of
from .rating import auc

NAMES = ("AUC", "log loss", "Brier")
BINS = 10
SMALLEST = float(np.finfo(np.float64).eps)  # a chance of 0 or 1 counts as this far from it


def losses(chances: np.ndarray, happened: np.ndarray) -> dict[str, np.ndarray]:
    """Each case's two proper scores, for means, intervals and pairs; lower is better.

    ``log loss`` is ``-log p`` of what happened (Good 1952), in nats; a chance of 0 for what did
    happen costs 36, not infinity. ``Brier`` is ``(p - y)^2`` (Brier 1950).

    Args:
        chances: ``(B,)`` chances of yes, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        ``log loss`` and ``Brier``, ``(B,)`` each.

    Raises:
        ValueError: shapes that do not fit, or a chance outside 0 to 1.
    """
    chances, happened = _checked(chances, happened)
    inside = np.clip(chances, SMALLEST, 1 - SMALLEST)
    return {
        "log loss": -np.where(happened, np.log(inside), np.log1p(-inside)),
        "Brier": np.square(chances - happened),
    }


def calibration_error(chances: np.ndarray, happened: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: how far chances lie from how often it then happened.

    Cases are put into ``bins`` of equal width, the m-th from above ``(m - 1) / bins`` up to
    ``m / bins``; the error is the mean over cases of ``|mean chance - share of yes|`` of their bin
    (Naeini et al. 2015; Guo et al. 2017). The same 0.5 for everybody is calibrated if half say
    yes: read it beside the losses. Chance alone makes it positive, and resamples more so, which is
    why it has no bootstrap interval.

    Args:
        chances: ``(B,)`` chances of yes, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        0 to 1; NaN where there is no case.

    Raises:
        ValueError: shapes that do not fit, or a chance outside 0 to 1.
    """
    chances, happened = _checked(chances, happened)
    if not len(chances):
        return float("nan")
    own = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], chances)
    gaps = np.bincount(own, weights=chances - happened, minlength=bins)
    return float(np.abs(gaps).sum() / len(chances))


def statistic(chances: np.ndarray, happened: np.ndarray) -> Statistic:
    """AUC, log loss and Brier score (see :data:`NAMES`) for the bootstrap.

    Args:
        chances: ``(B,)`` chances of yes, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        Row weights ``(R, B)`` to ``(R, 3)``.

    Raises:
        ValueError: shapes that do not fit, or a chance outside 0 to 1.
    """
    chances, happened = _checked(chances, happened)
    mean = mean_of(np.stack(list(losses(chances, happened).values()), axis=1))

    def measure(weights: np.ndarray) -> np.ndarray:
        area = auc(chances, happened, weights)[:, None]
        return np.concatenate([area, mean(weights)], axis=1)

    return measure


def summary(chances: np.ndarray, happened: np.ndarray) -> dict[str, float]:
    """Log loss, Brier score, calibration error, and AUC (NaN where all or none said yes)."""
    means = {
        name: float(value.mean()) if value.size else float("nan")
        for name, value in losses(chances, happened).items()
    }
    area = float(auc(chances, happened.astype(bool))[0])
    return {**means, "ECE": calibration_error(chances, happened), "AUC": area}


def _checked(chances: np.ndarray, happened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if chances.ndim != 1 or chances.shape != happened.shape:
        raise ValueError(f"chances {chances.shape} and what happened {happened.shape} do not fit")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError("a chance lies between 0 and 1")
    return chances.astype(np.float64), happened.astype(bool)
