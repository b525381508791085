"""Predictions of fitted methods for pairs of a user and an item, with or without an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.split import histories_of
from p5rec.recommend.config import LISTS
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.view import unnamed_view

from .base import Method
from .baselines.text_examples import pair_examples
from .tune import requests_of

PairPredictor = Callable[[np.ndarray, np.ndarray], Any]  # users and items (B,) → B predictions


def pair_predictor(
    method: Method, predictor: Any, corpus: Corpus, what: str, k: int = 10
) -> PairPredictor:
    """A function that predicts for users and items of ``corpus``.

    Args:
        method: the method.
        predictor: its predictor.
        corpus: the data.
        what: ``ratings``, clipped to the data's scale; ``clicks``, probabilities;
            ``explanations``, texts; or ``lists``, the best items for the user that are new to
            them, ``(B, k)``, -1 where there are fewer.
        k: length of the lists.

    Raises:
        UserError: the method makes no such predictions, or the data lack fields that it needs.
    """
    log = corpus.interactions
    if what == LISTS and hasattr(predictor, "recommend"):

        def best(users: np.ndarray, _items: np.ndarray) -> np.ndarray:
            owners, of = np.unique(users, return_inverse=True)
            lists: np.ndarray = predictor.recommend(histories_of(log, owners), k).items
            return lists[of]

        return best
    if what == "clicks" and hasattr(predictor, "predict_click"):
        return lambda users, items: predictor.predict_click(histories_of(log, users), items)
    of_pairs = getattr(predictor, "of_pairs", None)
    if what in ("ratings", "explanations") and of_pairs is not None:
        pairs: PairPredictor = of_pairs(what, corpus)
        return pairs
    if what == "explanations" and "explanation" in method.tasks and hasattr(predictor, "write"):
        view, words = unnamed_view(corpus), getattr(method, "max_words", Limits().max_words)
        return lambda users, items: predictor.write(pair_examples(view, users, items, words))
    if what != "ratings" or not hasattr(predictor, "predict_rating"):
        raise UserError(
            f"expected a method that predicts {what}, got a {method.kind}, which does not; "
            "take another model"
        )
    scale = unnamed_view(corpus).scale
    assert scale is not None, "it was fitted to ratings"

    def rate(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        ratings = predictor.predict_rating(requests_of(users), items)
        return np.clip(ratings, scale.low, scale.high)

    return rate


def pair_predictors(
    method: Method, predictor: Any, corpus: Corpus, what: Sequence[str], k: int = 10
) -> Callable[[np.ndarray, np.ndarray], dict[str, Any]]:
    """A function that predicts several things: what is predicted → B predictions.

    A model that was trained on shared histories reads each of them once. Arguments and errors are
    those of :func:`pair_predictor`, which predicts one thing.
    """
    jointly = getattr(predictor, "of_pairs_jointly", None)
    joint: Callable[..., dict[str, Any]] | None
    if len(what) > 1 and jointly is not None and (joint := jointly(what, corpus, k)) is not None:
        return joint
    each = {name: pair_predictor(method, predictor, corpus, name, k) for name in what}
    return lambda users, items: {name: own(users, items) for name, own in each.items()}


def pair_frame(
    predictions: Mapping[str, Any], corpus: Corpus, users: np.ndarray, items: np.ndarray
) -> pl.DataFrame:
    """Columns user, item, title, and ``rating``, ``click``, ``explanation`` or ``list``.

    Args:
        predictions: what is predicted (see :func:`pair_predictor`) → B predictions for ``users``
            and ``items``, ``(B,)`` each.
    """
    ids, titles = corpus.catalog.ids, corpus.catalog.titles
    columns = {what.removesuffix("s"): own for what, own in predictions.items()}
    if LISTS in predictions:
        lists = predictions[LISTS].tolist()
        columns["list"] = [[ids[row] for row in own if row >= 0] for own in lists]
    return pl.DataFrame(
        {
            "user": [corpus.user_ids[row] for row in users],
            "item": [ids[row] for row in items],
            "title": [titles[row] for row in items],
            **columns,
        }
    )
