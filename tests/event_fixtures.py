"""Fixtures that build events and requests from lists of items."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Histories, Interactions, Split

Build = Callable[..., tuple[Interactions, Split]]


@pytest.fixture(scope="session")
def build() -> Build:
    """Events from one item list (and rating list) per user; the last ``held_out`` are held out."""

    def make(
        of_users: Sequence[Sequence[int]],
        n_items: int,
        held_out: int = 0,
        ratings: Sequence[Sequence[float]] | None = None,
    ) -> tuple[Interactions, Split]:
        lengths = [len(own) for own in of_users]
        users = np.repeat(np.arange(len(of_users), dtype=np.int32), lengths)
        items = np.array([i for own in of_users for i in own], dtype=np.int32)
        rated = ratings and np.array([r for own in ratings for r in own], dtype=np.float32)
        keys = id_keys(range(len(of_users))), id_keys(range(n_items))
        events = Interactions(users, items, np.arange(len(items)), rated, *keys)
        later = events.offsets[1:][users] - 1 - np.arange(len(items))
        splits = np.full(len(items), TRAIN, dtype=np.int8)
        splits[later < held_out] = VALID
        splits[later < held_out - 1] = TEST
        return events, Split("by hand", splits, seed=3)

    return make


@pytest.fixture(scope="session")
def make_requests() -> Callable[..., Histories]:
    """Requests from one item list per request; by default the users are 0, 1, ..."""

    def make(of_requests: Sequence[Sequence[int]], users: Sequence[int] | None = None) -> Histories:
        offsets = np.cumsum([0, *map(len, of_requests)]).astype(np.int64)
        items = np.array([i for own in of_requests for i in own], dtype=np.int32)
        rows = np.arange(len(of_requests)) if users is None else np.array(users)
        return Histories(rows.astype(np.int32), items, offsets)

    return make
