"""Ranked lists of a model's requests as a frame, under a wish or under none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.types import Catalog, RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.recommend.requests import check_items_left
from p5rec.recommend.steering.steer import depth_of
from p5rec.recommend.steering.wish import Wish
from p5rec.recommend.steering.wished import Wished, check_catalog

from .queries import Requests


def ranked_frame(
    predictor: Callable[[int], Any],
    catalog: Catalog,
    requests: Requests,
    k: int,
    allowed: Allowed | None,
    wish: Wish | None,
    *,
    exclude_seen: bool,
) -> pl.DataFrame:
    """Rows ``user``, ``rank``, ``item``, ``title``, ``score``, with a wish also ``wish``.

    Args:
        predictor: length of the lists that it must make → the recommender.
        catalog: its items.
        requests: B requests.
        k: length of each list.
        allowed: the allowed items; None: all.
        wish: moves the lists; None: they are the recommender's own.
        exclude_seen: lists leave out the items of histories.

    Raises:
        UserError: no item is left for a request, or the wish is about other items.
    """
    histories, names = requests.histories, requests.names
    if wish is not None:
        check_catalog(wish, catalog)
    recommender = Wished(predictor(k if wish is None else depth_of(k)), wish)
    if recommender.steering is not None:
        allowed = recommender.steering.restrict(allowed)
    if allowed is not None:
        check_items_left(allowed, histories, names, len(catalog), exclude_seen=exclude_seen)
    lists = recommender.recommend(histories, k, exclude_seen=exclude_seen, allowed=allowed)
    named = RankedLists(np.arange(len(names)), lists.items, lists.scores)
    return recommender.frame(named, catalog, names)
