"""Synthetic logs in which every user has as many events, the last two of them held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split
from p5rec.data.profile import profile_events


def even_corpus(
    chosen: np.ndarray,
    users: int,
    items: int,
    columns: Mapping[str, Any] | None = None,
    *,
    labels: np.ndarray | None = None,
    profile: bool = False,
) -> Corpus:
    """Users ``u0``, ... with n events each, and items ``i0``, ....

    Args:
        chosen: ``(users * n,)`` items, user by user, oldest first.
        users, items: their numbers.
        columns: of the item table, besides ``item``; None: a title like the id.
        labels: ``(users * n,)``.
        profile: a user's first event is a profile event.
    """
    events = len(chosen) // users
    user_ids, item_ids = [f"u{n}" for n in range(users)], [f"i{n}" for n in range(items)]
    place = np.tile(np.arange(events), users)
    log = Interactions(
        users=np.repeat(np.arange(users), events).astype(np.int32),
        items=np.asarray(chosen, dtype=np.int32),
        times=place.astype(np.int64),
        ratings=None,
        user_keys=id_keys(user_ids),
        item_keys=id_keys(item_ids),
        labels=labels,
        dated=False,
    )
    of_event = np.select([place == events - 1, place == events - 2], [TEST, VALID], TRAIN)
    split = Split("last", of_event.astype(np.int8))
    if profile:
        split = Split("last", split.of_event, profile=profile_events(log, split, 0.5, 1))
    table = {"item": item_ids, **({"title": item_ids} if columns is None else columns)}
    return Corpus(log, Catalog(pa.table(table)), Users(pa.table({"user": user_ids})), split)
