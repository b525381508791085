"""Sorting, repeat detection and k-core filtering of a log of E events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.rng import keyed


def time_order(
    users: np.ndarray,
    times: np.ndarray,
    keys: np.ndarray,
    seed: int,
    baskets: np.ndarray | None = None,
) -> np.ndarray:
    """``(E,)`` the order of events by user, then time, then a seeded shuffle of equal times.

    The shuffle depends only on the events' ``keys (E,)``. The order of rows in the file, the sort
    order of ids and other users' events do not influence it.

    Args:
        users, times, keys: ``(E,)``.
        seed: the seed of the shuffle.
        baskets: ``(E,)`` uint64, one draw per basket; it orders the baskets of one time and keeps
            the events of a basket together.
    """
    shuffled = keyed(keys, seed, "equal times")
    return np.lexsort((shuffled, *([] if baskets is None else [baskets]), times, users))


def repeats(columns: Sequence[np.ndarray], rank: np.ndarray) -> np.ndarray:
    """``(E,)`` bool: events that repeat an event of smaller ``rank`` in every one of ``columns``.

    Args:
        columns: ``(E,)`` each.
        rank: ``(E,)`` unique ranks; among equal events the smallest is the first.
    """
    order = np.lexsort((rank, *columns))
    repeat = np.zeros(len(order), dtype=bool)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[order[1:]] == column[order[:-1]]
    repeat[order[1:]] = same
    return repeat


def one_per_pair(users: np.ndarray, items: np.ndarray, which: str) -> np.ndarray:
    """``(E,)`` bool: the first or last event of each user with each item.

    Args:
        users, items: ``(E,)`` in time order within each user.
        which: ``first`` or ``last``.
    """
    step = 1 if which == "first" else -1
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, at = np.unique(pairs[::step], return_index=True)
    chosen = np.zeros(len(pairs), dtype=bool)
    chosen[at] = True
    return chosen[::step]


def k_core(users: np.ndarray, items: np.ndarray, least_user: int, least_item: int) -> np.ndarray:
    """``(E,)`` bool: the largest set of events in which each user and item has enough events."""
    core = np.ones(len(users), dtype=bool)
    while True:
        per_user = np.bincount(users[core], minlength=int(users.max(initial=0)) + 1)
        per_item = np.bincount(items[core], minlength=int(items.max(initial=0)) + 1)
        smaller = core & (per_user[users] >= least_user) & (per_item[items] >= least_item)
        if smaller.sum() == core.sum():
            return core
        core = smaller
