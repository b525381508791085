"""Choosing a baseline's config on validation, by trying its whole grid."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from p5rec.core.config import Config
from p5rec.core.types import Histories, Interactions, Split
from p5rec.metrics import ranking

from ..protocols import RatingPredictor, Recommender
from .registry import Baseline


@dataclass(frozen=True)
class Trial:
    """One config tried: its figure (larger is better) and the seconds that fit and figure took."""

    config: Config
    figure: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Tuned:
    """The best of a grid, fitted, and everything that was tried, in the grid's order."""

    model: Any
    best: Trial
    trials: tuple[Trial, ...]


def tune(
    baseline: Baseline,
    interactions: Interactions,
    split: Split,
    figure: Callable[[Any], float],
) -> Tuned:
    """Fit every config of the grid on training events and keep the one with the largest figure.

    Args:
        baseline: what to fit.
        interactions: all events.
        split: which of them train.
        figure: says how good a fitted model is on **validation** (:func:`by_ranking`,
            :func:`by_rmse`); of equal ones the earlier in the grid stays.
    """
    trials: list[Trial] = []
    best, model = None, None
    for config in baseline.grid:
        started = time.perf_counter()
        fitted = baseline.fit(interactions, split, config)
        trial = Trial(config, figure(fitted), time.perf_counter() - started)
        trials.append(trial)
        if best is None or trial.figure > best.figure:
            best, model = trial, fitted
    if best is None:
        raise ValueError("expected a grid of at least one config")
    return Tuned(model, best, tuple(trials))


def by_ranking(
    histories: Histories, targets: np.ndarray, metric: str = "NDCG@10"
) -> Callable[[Recommender], float]:
    """The mean of a ranking metric, seen items left out.

    Args:
        histories: B validation requests: training events only.
        targets: ``(B,)`` the validation items.
        metric: a name that :func:`p5rec.metrics.ranking.per_user` gives, ``<name>@<k>``.
    """
    k = int(metric.partition("@")[2])

    def figure(model: Recommender) -> float:
        items = model.recommend(histories, k).items
        return float(ranking.per_user(items, targets, (k,))[metric].mean())

    return figure


def by_rmse(
    histories: Histories, items: np.ndarray, ratings: np.ndarray
) -> Callable[[RatingPredictor], float]:
    """The RMSE of validation ratings, negated so that larger is better.

    Args:
        histories: B validation requests.
        items: ``(B,)`` the rated items.
        ratings: ``(B,)`` the ratings.
    """

    def figure(model: RatingPredictor) -> float:
        return -float(np.sqrt(np.mean((model.predict(histories, items) - ratings) ** 2)))

    return figure
