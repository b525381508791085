"""Metrics of predicted ratings: RMSE, MAE, and AUC of liked against not liked."""

from __future__ import annotations

import numpy as np

from .intervals import Statistic, mean_of

NAMES = ("RMSE", "MAE", "AUC")
LIKED = 4.0  # lowest rating of a liked item


def clip(predictions: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """``predictions (B,)`` clipped to the rating scale ``(lowest, highest)``."""
    return np.clip(predictions.astype(np.float64), *scale)


def errors(predictions: np.ndarray, ratings: np.ndarray) -> dict[str, np.ndarray]:
    """The ``squared`` and the ``absolute`` error of each prediction, ``(B,)``, in rating points.

    RMSE is the root of the mean of the first, MAE the mean of the second.

    Args:
        predictions: ``(B,)``, clipped to the scale.
        ratings: ``(B,)``.
    """
    off = predictions.astype(np.float64) - ratings
    return {"squared": off**2, "absolute": np.abs(off)}


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: the probability that a positive instance scores above a negative
    one; ties count one half.

    The Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982).

    Args:
        scores: ``(B,)``.
        positive: ``(B,)`` bool.
        weights: ``(R, B)`` instance weights, one area for each of R; None counts each instance
            once.

    Returns:
        ``(R,)``, NaN if a class is empty.
    """
    weights = np.ones((1, len(scores))) if weights is None else weights
    if not len(scores):
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    groups = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    weights, positive = weights[:, order], positive[order]
    yes = np.add.reduceat(weights * positive, groups, axis=1)
    no = np.add.reduceat(weights * ~positive, groups, axis=1)
    lower = np.cumsum(no, axis=1) - no
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    won = (yes * (lower + no / 2)).sum(axis=1)
    area: np.ndarray = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
    return area


def statistic(predictions: np.ndarray, ratings: np.ndarray, liked: float = LIKED) -> Statistic:
    """RMSE, MAE and AUC of "at least ``liked``" (see :data:`NAMES`) for the bootstrap.

    Args:
        predictions: ``(B,)``, clipped to the scale.
        ratings: ``(B,)``.
        liked: the lowest rating of the AUC's positive class, in rating points.

    Returns:
        A function from instance weights ``(R, B)`` to ``(R, 3)``.
    """
    mean = mean_of(np.stack(list(errors(predictions, ratings).values()), axis=1))

    def measure(weights: np.ndarray) -> np.ndarray:
        squared, absolute = mean(weights).T
        area = auc(predictions, ratings >= liked, weights)
        return np.stack([np.sqrt(squared), absolute, area], axis=1)

    return measure


def summary(predictions: np.ndarray, ratings: np.ndarray, liked: float = LIKED) -> dict[str, float]:
    """RMSE, MAE and AUC of all predictions (see :func:`statistic`)."""
    values = statistic(predictions, ratings, liked)(np.ones((1, len(ratings))))[0]
    return dict(zip(NAMES, values.tolist(), strict=True))
