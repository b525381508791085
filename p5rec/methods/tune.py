"""Validation metrics of fitted methods, which select their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from p5rec.core.types import Corpus, Histories
from p5rec.data.split import instances
from p5rec.metrics import ranking

from .predictors import PredictsRatings, Recommends

Metric = Callable[[Any], float]  # larger is better


def by_ranking(
    histories: Histories,
    targets: np.ndarray,
    metric: str = "NDCG@10",
    *,
    exclude_seen: bool = True,
) -> Callable[[Recommends], float]:
    """The mean of a ranking metric.

    Args:
        histories: B validation requests with training events only.
        targets: ``(B,)`` the validation items, or ``(B, T)`` the baskets.
        metric: a name of :func:`p5rec.metrics.ranking.per_user`, ``<name>@<k>``.
        exclude_seen: leave the items of a history out of its list.
    """
    k = int(metric.partition("@")[2])

    def value(model: Recommends) -> float:
        items = model.recommend(histories, k, exclude_seen=exclude_seen).items
        return float(ranking.per_user(items, targets, (k,))[metric].mean())

    return value


def by_rmse(
    histories: Histories, items: np.ndarray, ratings: np.ndarray
) -> Callable[[PredictsRatings], float]:
    """The RMSE of validation ratings, negated so that larger is better.

    Args:
        histories: B validation requests.
        items: ``(B,)`` the rated items.
        ratings: ``(B,)`` the ratings.
    """

    def value(model: PredictsRatings) -> float:
        return -float(np.sqrt(np.mean((model.predict_rating(histories, items) - ratings) ** 2)))

    return value


def of_lists(corpus: Corpus) -> Metric:
    """NDCG@10 of the ranked lists of all validation users."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    return by_ranking(histories, targets, exclude_seen=corpus.split.exclude_seen)


def of_ratings(corpus: Corpus) -> Metric:
    """The negated RMSE of all validation ratings."""
    log = corpus.interactions
    assert log.ratings is not None, "rating prediction needs ratings"
    valid = corpus.split.mask("valid") & np.isfinite(log.ratings)
    return by_rmse(requests_of(log.users[valid]), log.items[valid], log.ratings[valid])


def requests_of(users: np.ndarray) -> Histories:
    """``(B,)`` requests with users and empty histories: rating baselines read users only."""
    return Histories(users, np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64))
