"""How good a fitted method is on validation, by which its settings are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from p5rec.core.types import Corpus, Histories
from p5rec.data.split import cases
from p5rec.metrics import ranking
from p5rec.metrics.rating import auc
from p5rec.tasks.click import CLICK
from p5rec.tasks.questions import histories_before, pose
from p5rec.tasks.view import unnamed_view

from .base import MEASURED, PredictsClicks, PredictsRatings, Recommends

Metric = Callable[[Any], float]  # larger is better


def by_ranking(
    histories: Histories, targets: np.ndarray, metric: str = "NDCG@10"
) -> Callable[[Recommends], float]:
    """The mean of a ranking metric, seen items left out.

    Args:
        histories: B validation requests: training events only.
        targets: ``(B,)`` the validation items.
        metric: a name that :func:`p5rec.metrics.ranking.per_user` gives, ``<name>@<k>``.
    """
    k = int(metric.partition("@")[2])

    def value(model: Recommends) -> float:
        items = model.recommend(histories, k).items
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


def by_area(
    histories: Histories, items: np.ndarray, clicked: np.ndarray
) -> Callable[[PredictsClicks], float]:
    """The AUC of validation clicks, the main metric of the task ``click``.

    Args:
        histories: B validation requests.
        items: ``(B,)`` the items asked about.
        clicked: ``(B,)`` bool.
    """

    def value(model: PredictsClicks) -> float:
        return float(auc(model.predict_click(histories, items), clicked)[0])

    return value


def _lists(corpus: Corpus) -> Metric:
    histories, targets, _ = cases(corpus.interactions, corpus.split, "valid")
    return by_ranking(histories, targets)


def _ratings(corpus: Corpus) -> Metric:
    log = corpus.interactions
    assert log.ratings is not None, "a method that predicts ratings needs some"
    valid = corpus.split.mask("valid") & np.isfinite(log.ratings)
    return by_rmse(requests_of(log.users[valid]), log.items[valid], log.ratings[valid])


def _clicks(corpus: Corpus) -> Metric:
    view = unnamed_view(corpus)
    asked: Any = pose(CLICK.name, view, "valid", None, corpus.split.seed)
    histories = histories_before(view, np.array(asked.events))
    return by_area(histories, np.array(asked.items), np.array(asked.clicked))


def requests_of(users: np.ndarray) -> Histories:
    """``(B,)`` requests that name users alone: all that the rating baselines read."""
    return Histories(users, np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64))


# capability → the metric of the corpus's validation part
VALIDATION: Mapping[str, Callable[[Corpus], Metric]] = dict(
    zip(MEASURED, (_lists, _ratings, _clicks), strict=True)
)
