"""Metrics of predicted probabilities, such as click probabilities."""

from __future__ import annotations

import numpy as np

from .intervals import Statistic, mean_of
from .rating import auc

NAMES = ("AUC", "log loss", "Brier")
BINS = 10
SMALLEST = float(np.finfo(np.float64).eps)  # distance to which probabilities of 0 and 1 are clipped


def losses(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Two proper scoring rules per test instance; lower is better.

    ``log loss`` is ``-log p`` of the observed label (Good 1952), in nats; through clipping, its
    largest value is 36. ``Brier`` is ``(p - y)^2`` (Brier 1950).

    Args:
        chances: ``(B,)`` predicted probabilities, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        ``log loss`` and ``Brier``, ``(B,)`` each.

    Raises:
        ValueError: the shapes differ, or a probability lies outside 0 to 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    inside = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    return {
        "log loss": -np.where(labels, np.log(inside), np.log1p(-inside)),
        "Brier": np.square(probabilities - labels),
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean gap between predicted and observed frequencies.

    The probabilities are grouped into ``bins`` of equal width, the m-th from above
    ``(m - 1) / bins`` up to ``m / bins``. The error is the mean over instances of
    ``|mean probability - share of positives|`` of their bin (Naeini et al. 2015; Guo et al. 2017).
    A constant prediction of the base rate is perfectly calibrated, so read the error together with
    the losses. Sampling noise makes it positive, and resampling more so; hence it has no bootstrap
    interval.

    Args:
        chances: ``(B,)`` predicted probabilities, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        0 to 1; NaN without instances.

    Raises:
        ValueError: the shapes differ, or a probability lies outside 0 to 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    if not len(probabilities):
        return float("nan")
    own = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)
    gaps = np.bincount(own, weights=probabilities - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def statistic(probabilities: np.ndarray, labels: np.ndarray) -> Statistic:
    """AUC, log loss and Brier score (see :data:`NAMES`) for the bootstrap.

    Args:
        chances: ``(B,)`` predicted probabilities, 0 to 1.
        happened: ``(B,)`` bool.

    Returns:
        A function from instance weights ``(R, B)`` to ``(R, 3)``.

    Raises:
        ValueError: the shapes differ, or a probability lies outside 0 to 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    mean = mean_of(np.stack(list(losses(probabilities, labels).values()), axis=1))

    def measure(weights: np.ndarray) -> np.ndarray:
        area = auc(probabilities, labels, weights)[:, None]
        return np.concatenate([area, mean(weights)], axis=1)

    return measure


def summary(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Log loss, Brier score, calibration error, and AUC (NaN if all labels are equal)."""
    means = {
        name: float(value.mean()) if value.size else float("nan")
        for name, value in losses(probabilities, labels).items()
    }
    area = float(auc(probabilities, labels.astype(bool))[0])
    return {**means, "ECE": calibration_error(probabilities, labels), "AUC": area}


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probabilities.ndim != 1 or probabilities.shape != labels.shape:
        raise ValueError(
            f"chances {probabilities.shape} and what happened {labels.shape} do not fit"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("expected probabilities between 0 and 1")
    return probabilities.astype(np.float64), labels.astype(bool)
