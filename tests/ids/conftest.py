"""A world of two groups of items that never mix within a history."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.core.types import TEST, TRAIN, VALID, Interactions, Split

USERS, ITEMS, EVENTS = 60, 24, 10


@pytest.fixture(scope="session")
def world() -> tuple[Interactions, Split]:
    """Even users take even items, odd users odd ones; training never sees items 24 and 25."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    draws = [rng.permutation(np.arange(u % 2, ITEMS, 2))[:EVENTS] for u in range(USERS)]
    items = np.concatenate(draws).astype(np.int32)
    parts = np.full(len(items), TRAIN, dtype=np.int8)
    parts[EVENTS - 2 :: EVENTS], parts[EVENTS - 1 :: EVENTS] = VALID, TEST
    items[EVENTS - 1 :: EVENTS] = ITEMS
    items[EVENTS - 2 :: EVENTS] = ITEMS + 1
    times = np.tile(np.arange(EVENTS, dtype=np.int64), USERS)
    return Interactions(users, items, times, None, USERS, ITEMS + 2), Split("leave-one-out", parts)
