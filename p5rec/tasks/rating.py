"""Rating prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .fields import Record
from .predictions import Ratings
from .record_builder import HISTORY, ITEM, RATED, USER, Limits, RecordBuilder
from .view import CorpusView, decimal

STATISTICS = ("user_mean", "user_count", "item_mean", "item_count")


def _rating_rows(view: CorpusView, split_name: str) -> np.ndarray:
    return np.flatnonzero(view.targets(split_name) & view.rated)


def _rating(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    if log.ratings is None or view.scale is None:
        raise ValueError("expected a corpus with ratings, got one without")
    item, rating = int(log.items[event]), decimal(log.ratings[event])
    builder = RecordBuilder(view, limits)
    builder.item(item)
    past = view.past(event)
    builder.rated(builder.history(past))
    known = past[view.rated[past]]
    item_mean, item_count = view.item_ratings(np.array([event]))[0].tolist()
    builder.values |= {
        "user_mean": round(float(log.ratings[known].mean()) if len(known) else view.mean, 1),
        "user_count": len(known),
        "item_mean": round(item_mean, 2),
        "item_count": int(item_count),
        "rating": rating,
    }
    return replace(builder.record("rating", event, item), rating=rating)


RATING = Task(
    name="rating",
    predictions=Ratings,
    capability="predict_rating",
    metrics=("RMSE", "MAE", "AUC"),
    references=("global-mean", "user-mean", "item-mean", "bias", "mf"),
    source_fields=(*USER, *ITEM, *HISTORY, *RATED, *STATISTICS),
    target_fields=("rating",),
    rows=_rating_rows,
    build=_rating,
    needs=(("ratings",),),
)
