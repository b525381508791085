"""Events as sparse matrices: what linear models learn from, and what they read of a request."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.types import Histories, Interactions, Split

HALF_LIVES = (1.0, 2.0, 4.0, 8.0)  # those that the grids try, in baskets


def training_matrix(interactions: Interactions, split: Split) -> csr_array:
    """``(U, N)`` float32: what the user's training events with the item count for, the largest.

    That is 1 wherever there is one, unless behaviours have other weights.
    """
    train = np.flatnonzero(split.mask("train"))
    users, items = interactions.users[train], interactions.items[train]
    weights = interactions.weights[train]
    best = _largest_of_each(users.astype(np.int64) * interactions.n_items + items, weights)
    pairs = (users[best], items[best])
    shape = (interactions.n_users, interactions.n_items)
    matrix = csr_array((weights[best].astype(np.float32), pairs), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def history_matrix(histories: Histories, n_items: int, half_life: float | None = None) -> csr_array:
    """``(B, N)`` float32, the weight of each item in each request's history.

    It is the weight of the event's behaviour, 1 where events are of one kind, times what is left of
    it by ``half_life``; of several events with an item the largest counts.

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets after which an item counts half, of events where each
            stands alone; without it the age of an event does not matter.
    """
    requests, done = histories.requests(), histories.behaviours
    weights = np.ones(len(requests)) if done is None else done.event_weights
    if half_life is not None:
        weights = weights * 0.5 ** (histories.ages() / half_life)
    best = _largest_of_each(requests * n_items + histories.items, weights)
    pairs = (requests[best], histories.items[best])
    shape = (len(histories), n_items)
    return csr_array((weights[best].astype(np.float32), pairs), shape=shape)


def basket_items(histories: Histories, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """The entries of ``histories.items`` that hold an item for the first time in its basket: their
    places ``(n,)``, and their baskets ``(n,)``, numbered through all requests."""
    baskets = histories.basket_numbers()
    entries = np.sort(np.unique(baskets * n_items + histories.items, return_index=True)[1])
    return entries, baskets[entries]


def frequency_matrix(
    histories: Histories, n_items: int, half_life: float | None = None
) -> csr_array:
    """``(B, N)`` float32, the number of baskets of each request's history that hold each item.

    Baskets are those of target events; what is history alone counts for nothing.

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets after which a basket counts half; None: all count 1.
    """
    histories = histories.of_targets()
    entries, _ = basket_items(histories, n_items)
    weights = np.ones(len(entries))
    if half_life is not None:
        weights = 0.5 ** (histories.ages()[entries] / half_life)
    pairs = (histories.requests()[entries], histories.items[entries])
    return csr_array((weights.astype(np.float32), pairs), shape=(len(histories), n_items))


def _largest_of_each(keys: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where each distinct key has its largest weight, in order of keys."""
    order = np.lexsort((weights, keys))
    last: np.ndarray = np.append(np.diff(keys[order]) != 0, np.ones(min(1, len(keys)), bool))
    largest: np.ndarray = order[last]
    return largest
