"""Metrics of predicted probabilities, such as click probabilities."""

from __future__ import annotations

import numpy as np

from .area import area, auc, mean_area
from .intervals import Statistic, joined, mean_of

NAMES = ("AUC", "gAUC", "log loss", "Brier")
BINS = 15  # of the calibration error
SMALLEST = float(np.finfo(np.float64).eps)  # distance to which probabilities of 0 and 1 are clipped


def losses(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Two proper scoring rules per test instance; lower is better.

    ``log loss`` is ``-log p`` of the observed label (Good 1952), in nats; through clipping, its
    largest value is 36. ``Brier`` is ``(p - y)^2`` (Brier 1950).

    Args:
        probabilities: ``(B,)`` predicted probabilities, 0 to 1.
        labels: ``(B,)`` bool.

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

    The probabilities are grouped into ``bins`` of equal mass: the m-th ends at the m-th of their
    quantiles, and equal probabilities share a bin. The error is the mean over instances of
    ``|mean probability - share of positives|`` of their bin (Naeini et al. 2015; Nixon et al.
    2019). A constant prediction of the base rate is perfectly calibrated, so read the error
    together with the losses. Sampling noise makes it positive, and resampling more so; hence it has
    no bootstrap interval.

    Args:
        probabilities: ``(B,)`` predicted probabilities, 0 to 1.
        labels: ``(B,)`` bool.

    Returns:
        0 to 1; NaN without instances.

    Raises:
        ValueError: the shapes differ, or a probability lies outside 0 to 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    if not len(probabilities):
        return float("nan")
    inner = np.arange(1, bins) / bins
    own = np.searchsorted(np.quantile(probabilities, inner, method="inverted_cdf"), probabilities)
    gaps = np.bincount(own, weights=probabilities - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def statistic(probabilities: np.ndarray, labels: np.ndarray, users: np.ndarray) -> Statistic:
    """AUC, gAUC, log loss and Brier score (see :data:`NAMES`) for the bootstrap.

    Args:
        probabilities: ``(B,)`` predicted probabilities, 0 to 1.
        labels: ``(B,)`` bool.
        users: ``(B,)`` the user of each instance.

    Returns:
        The statistic of the four.

    Raises:
        ValueError: the shapes differ, or a probability lies outside 0 to 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    means = mean_of(np.stack(list(losses(probabilities, labels).values()), axis=1))
    return joined(area(probabilities, labels), mean_area(probabilities, labels, users), means)


def summary(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Log loss, Brier score, calibration error, and AUC (NaN if all labels are equal)."""
    means = {
        name: float(value.mean()) if value.size else float("nan")
        for name, value in losses(probabilities, labels).items()
    }
    error = calibration_error(probabilities, labels)
    return {**means, "ECE": error, "AUC": float(auc(probabilities, labels.astype(bool))[0])}


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probabilities.ndim != 1 or probabilities.shape != labels.shape:
        raise ValueError(
            f"probabilities {probabilities.shape} and labels {labels.shape} do not fit"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("expected probabilities between 0 and 1")
    return probabilities.astype(np.float64), labels.astype(bool)
