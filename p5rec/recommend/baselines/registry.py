"""The baselines by name, each with its config and the grid that validation chooses from.

``item-knn`` and ``ease`` are the published methods, for which a history is a set. The
``-recency`` variants weigh its end higher, as any method that reads the order may; on next-item
data they are much the stronger opponents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from p5rec.core.config import Config
from p5rec.core.registry import Registry


@dataclass(frozen=True)
class Baseline:
    """A method that is fitted on training events.

    Attributes:
        fit: ``fit(interactions, split, config)`` to a ``Recommender`` or ``RatingPredictor``
            that also has ``lineage``, the events it saw.
        default: a sound config to start from.
        grid: the configs to try on validation; the first wins a tie.
        drawn: whether a fit hangs on random draws, so that other seeds give other models.
    """

    fit: Callable[..., Any]
    default: Config
    grid: tuple[Config, ...]
    drawn: bool = False


RECOMMENDERS = Registry(
    "baseline",
    {
        "popularity": "p5rec.recommend.baselines.popularity:POPULARITY",
        "item-knn": "p5rec.recommend.baselines.itemknn:ITEM_KNN",
        "item-knn-recency": "p5rec.recommend.baselines.itemknn:ITEM_KNN_RECENCY",
        "ease": "p5rec.recommend.baselines.ease:EASE",
        "ease-recency": "p5rec.recommend.baselines.ease:EASE_RECENCY",
        "bpr": "p5rec.recommend.baselines.bpr:BPR",
        "sasrec": "p5rec.recommend.baselines.sasrec:SASREC",
    },
)

RATING_PREDICTORS = Registry(
    "rating baseline",
    {
        "global-mean": "p5rec.recommend.baselines.rating:GLOBAL_MEAN",
        "user-mean": "p5rec.recommend.baselines.rating:USER_MEAN",
        "item-mean": "p5rec.recommend.baselines.rating:ITEM_MEAN",
        "bias": "p5rec.recommend.baselines.rating:BIAS",
        "mf": "p5rec.recommend.baselines.factors:MF",
    },
)

TEXT_BASELINES = Registry(
    "text baseline",
    {
        "lead-sentence": "p5rec.recommend.baselines.text:LEAD_SENTENCE",
        "most-frequent": "p5rec.recommend.baselines.text:MOST_FREQUENT",
        "most-frequent-of-item": "p5rec.recommend.baselines.text:MOST_FREQUENT_OF_ITEM",
        "nearest-review": "p5rec.recommend.baselines.text:NEAREST_REVIEW",
    },
)
