"""Events as sparse matrices: what linear models learn from, and what they read of a request."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.types import Histories, Interactions, Split

HALF_LIVES = (1.0, 2.0, 4.0, 8.0)  # those that the grids try, in baskets


def training_matrix(interactions: Interactions, split: Split) -> csr_array:
    """``(U, N)`` float32, 1 where the user has the item in a training event."""
    train = split.mask("train")
    pairs = (interactions.users[train], interactions.items[train])
    shape = (interactions.n_users, interactions.n_items)
    matrix = csr_array((np.ones(int(train.sum()), dtype=np.float32), pairs), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def history_matrix(histories: Histories, n_items: int, half_life: float | None = None) -> csr_array:
    """``(B, N)`` float32, the weight of each item in each request's history.

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets after which an item counts half, of events where each
            stands alone; an item that occurs again has its latest weight. Without it all items of
            the history count 1.
    """
    requests, age = histories.requests(), histories.ages()
    last = _last_of_each(requests * n_items + histories.items)
    weights = np.ones(len(last)) if half_life is None else 0.5 ** (age[last] / half_life)
    pairs = (requests[last], histories.items[last])
    return csr_array((weights.astype(np.float32), pairs), shape=(len(histories), n_items))


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

    Args:
        histories: B requests.
        n_items: N.
        half_life: the number of baskets after which a basket counts half; None: all count 1.
    """
    entries, _ = basket_items(histories, n_items)
    weights = np.ones(len(entries))
    if half_life is not None:
        weights = 0.5 ** (histories.ages()[entries] / half_life)
    pairs = (histories.requests()[entries], histories.items[entries])
    return csr_array((weights.astype(np.float32), pairs), shape=(len(histories), n_items))


def _last_of_each(keys: np.ndarray) -> np.ndarray:
    """Where each distinct key occurs last."""
    _, first_from_behind = np.unique(keys[::-1], return_index=True)
    return len(keys) - 1 - first_from_behind
