"""A synthetic dataset with two groups of items that never mix within a history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split

USERS, ITEMS, EVENTS = 60, 24, 10


@pytest.fixture(scope="session")
def events_and_split() -> tuple[Interactions, Split]:
    """Even users take even items, odd users odd ones; training never sees items 24 and 25."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    draws = [rng.permutation(np.arange(u % 2, ITEMS, 2))[:EVENTS] for u in range(USERS)]
    items = np.concatenate(draws).astype(np.int32)
    of_event = np.full(len(items), TRAIN, dtype=np.int8)
    of_event[EVENTS - 2 :: EVENTS], of_event[EVENTS - 1 :: EVENTS] = VALID, TEST
    items[EVENTS - 1 :: EVENTS] = ITEMS
    items[EVENTS - 2 :: EVENTS] = ITEMS + 1
    times = np.tile(np.arange(EVENTS, dtype=np.int64), USERS)
    keys = id_keys(range(USERS)), id_keys(range(ITEMS + 2))
    return Interactions(users, items, times, None, *keys), Split("leave-one-out", of_event)


@pytest.fixture(scope="session")
def corpus(events_and_split: tuple[Interactions, Split]) -> Corpus:
    """The dataset with an item table: titles of two words, a path of two categories."""
    interactions, split = events_and_split
    rows = range(interactions.n_items)
    table = pa.table(
        {
            "item": [f"i{n}" for n in rows],
            "title": [f"{'even' if n % 2 == 0 else 'odd'} thing {n // 6}" for n in rows],
            "path": [["left" if n % 2 == 0 else "right", f"shelf {n % 3}"] for n in rows],
        }
    )
    users = [f"u{n}" for n in range(interactions.n_users)]
    return Corpus(interactions, Catalog(table), Users.of(users), split)
