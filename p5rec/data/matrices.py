"""Events as sparse user-item matrices, the inputs of linear models."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.types import Histories, Interactions, Split

HALF_LIVES = (1.0, 2.0, 4.0, 8.0)  # the grid of the search, in baskets


def training_matrix(interactions: Interactions, split: Split) -> csr_array:
    """``(U, N)`` float32: the largest weight of the user's training events with the item.

    Every weight is 1 unless behaviours have other weights.
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

    It is the weight of the event's behaviour (1 without behaviours) times the decay by
    ``half_life``. If a history has several events with an item, the largest weight counts.

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets (without baskets, of events) after which the weight of an
            item halves; None means no decay.
    """
    requests, behaviours = histories.requests(), histories.behaviours
    weights = np.ones(len(requests)) if behaviours is None else behaviours.event_weights
    if half_life is not None:
        weights = weights * 0.5 ** (histories.ages() / half_life)
    best = _largest_of_each(requests * n_items + histories.items, weights)
    pairs = (requests[best], histories.items[best])
    shape = (len(histories), n_items)
    return csr_array((weights[best].astype(np.float32), pairs), shape=shape)


def basket_items(histories: Histories, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """The first entry of each item in each basket of ``histories``.

    Returns:
        The indices ``(n,)`` into ``histories.items``, and the baskets ``(n,)``, numbered across all
        requests.
    """
    baskets = histories.basket_numbers()
    entries = np.sort(np.unique(baskets * n_items + histories.items, return_index=True)[1])
    return entries, baskets[entries]


def frequency_matrix(
    histories: Histories, n_items: int, half_life: float | None = None
) -> csr_array:
    """``(B, N)`` float32, the number of baskets of each request's history that hold each item.

    Only baskets of target events count; auxiliary events are ignored.

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets after which the weight of a basket halves; None means no
            decay.
    """
    histories = histories.of_targets()
    entries, _ = basket_items(histories, n_items)
    weights = np.ones(len(entries))
    if half_life is not None:
        weights = 0.5 ** (histories.ages()[entries] / half_life)
    pairs = (histories.requests()[entries], histories.items[entries])
    return csr_array((weights.astype(np.float32), pairs), shape=(len(histories), n_items))


def _largest_of_each(keys: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The index of the largest weight of each distinct key, in the order of keys."""
    order = np.lexsort((weights, keys))
    last: np.ndarray = np.append(np.diff(keys[order]) != 0, np.ones(min(1, len(keys)), bool))
    largest: np.ndarray = order[last]
    return largest
