"""Pairs of users and items that a request names, by the keys of their external ids."""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import combined

EVERY = np.uint64(0)  # in place of an item's key: all items of the user


def named_pairs(users: np.ndarray, items: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """``(E,)`` bool: which pairs are named.

    Args:
        users, items: ``(E,)`` uint64 keys.
        keys: ``(n, 2)`` uint64 keys of users and items; :data:`EVERY`: all items of the user.
    """
    of_user = np.isin(users, keys[keys[:, 1] == EVERY, 0])
    pairs = keys[keys[:, 1] != EVERY]
    return of_user | np.isin(combined(users, items), combined(pairs[:, 0], pairs[:, 1]))
