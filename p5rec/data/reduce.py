"""From a log to the events that count: order, repeats, k-core. All on arrays of E rows."""

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
    """``(E,)`` the events by user, then time, then a seeded shuffle of equal times.

    The shuffle is drawn from the events' ``keys (E,)``: neither the order of rows in the file, nor
    the sort order of ids, nor anybody else's events decide between equal times.

    Args:
        baskets: ``(E,)`` uint64, drawn for the baskets that events are in: those of one time come
            in its order, and their events stay together.
    """
    shuffled = keyed(keys, seed, "equal times")
    return np.lexsort((shuffled, *([] if baskets is None else [baskets]), times, users))


def repeats(columns: Sequence[np.ndarray], rank: np.ndarray) -> np.ndarray:
    """``(E,)`` bool: an event equal in every one of ``columns`` has a smaller ``rank``.

    Args:
        columns: ``(E,)`` each.
        rank: ``(E,)``, which of equal events is the first; no two are alike.
    """
    order = np.lexsort((rank, *columns))
    repeat = np.zeros(len(order), dtype=bool)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[order[1:]] == column[order[:-1]]
    repeat[order[1:]] = same
    return repeat


def one_per_pair(users: np.ndarray, items: np.ndarray, keep: str) -> np.ndarray:
    """``(E,)`` bool: the ``first`` or ``last`` event of each user with each item.

    Args:
        users, items: ``(E,)`` in time order within each user.
        keep: which one.
    """
    step = 1 if keep == "first" else -1
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, at = np.unique(pairs[::step], return_index=True)
    kept = np.zeros(len(pairs), dtype=bool)
    kept[at] = True
    return kept[::step]


def k_core(users: np.ndarray, items: np.ndarray, least_user: int, least_item: int) -> np.ndarray:
    """``(E,)`` bool: the largest set of events in which users and items keep enough of them."""
    kept = np.ones(len(users), dtype=bool)
    while True:
        per_user = np.bincount(users[kept], minlength=int(users.max(initial=0)) + 1)
        per_item = np.bincount(items[kept], minlength=int(items.max(initial=0)) + 1)
        good = kept & (per_user[users] >= least_user) & (per_item[items] >= least_item)
        if good.sum() == kept.sum():
            return kept
        kept = good
