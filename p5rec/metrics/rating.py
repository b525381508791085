"""Metrics of predicted ratings: RMSE, MAE, and AUC of liked against not liked."""

from __future__ import annotations

import numpy as np

from .area import area
from .intervals import Statistic, joined, mean_of

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


def statistic(predictions: np.ndarray, ratings: np.ndarray, liked: float = LIKED) -> Statistic:
    """RMSE, MAE and AUC of "at least ``liked``" (see :data:`NAMES`) for the bootstrap.

    Args:
        predictions: ``(B,)``, clipped to the scale.
        ratings: ``(B,)``.
        liked: the lowest rating of the AUC's positive class, in rating points.

    Returns:
        The statistic of the three.
    """
    means = mean_of(np.stack(list(errors(predictions, ratings).values()), axis=1))
    roots = means.then(lambda values: np.stack([np.sqrt(values[:, 0]), values[:, 1]], axis=1))
    return joined(roots, area(predictions, ratings >= liked))


def summary(predictions: np.ndarray, ratings: np.ndarray, liked: float = LIKED) -> dict[str, float]:
    """RMSE, MAE and AUC of all predictions (see :func:`statistic`)."""
    values = statistic(predictions, ratings, liked)(np.ones((1, len(ratings))))[0]
    return dict(zip(NAMES, values.tolist(), strict=True))
