"""Items a user has not met, for tasks that show a few candidates. Never for a headline number."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_seed
from p5rec.core.types import Interactions


def sample_negatives(
    interactions: Interactions, users: np.ndarray, n: int, seed: int
) -> np.ndarray:
    """``n`` different items for each user, none of which the user has an event with.

    Every user has an endless stream of items of its own, a function of seed and user alone, and
    gets its first ``n`` unmet ones: batches and their order change nothing.

    Args:
        interactions: every event that rules an item out.
        users: ``(B,)`` user rows.
        n: items a user.
        seed: the run's seed.

    Returns:
        ``(B, n)`` int32 item rows.

    Raises:
        UserError: a user has fewer than ``n`` unmet items.
    """
    N = interactions.n_items
    met = np.unique(interactions.users.astype(np.int64) * N + interactions.items)
    n_met = np.bincount(met // N, minlength=interactions.n_users)[users]
    if len(users) and N - n_met.max() < n:
        raise UserError(
            f"expected {n} unmet items for each user, got {N - n_met.max()} of {N} for one of "
            "them; ask for fewer candidates"
        )
    out = np.empty((len(users), n), dtype=np.int32)
    open_rows, length = np.arange(len(users)), 2 * n + 8
    while len(open_rows):
        who = users[open_rows]
        drawn = _streams(who, length, seed) % np.uint64(N)
        drawn = drawn.astype(np.int64)
        good = _first_seen(drawn) & ~_contains(met, who[:, None].astype(np.int64) * N + drawn)
        full = good.sum(axis=1) >= n
        first = np.argsort(~good[full], axis=1, kind="stable")[:, :n]
        out[open_rows[full]] = np.take_along_axis(drawn[full], first, axis=1)
        open_rows, length = open_rows[~full], 2 * length
    return out


def _streams(users: np.ndarray, length: int, seed: int) -> np.ndarray:
    """``(B, length)`` uint64: splitmix64 (Steele et al., OOPSLA 2014) from a start per user."""
    step, base = np.uint64(0x9E3779B97F4A7C15), np.uint64(derive_seed(seed, "negatives"))
    start = _mix(users.astype(np.uint64) * step + base)
    return _mix(start[:, None] + np.arange(1, length + 1, dtype=np.uint64) * step)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _first_seen(drawn: np.ndarray) -> np.ndarray:
    """``(B, T)`` bool: no equal value stands before it in its row."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, axis=1)
    new = np.ones_like(drawn, dtype=bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    out = np.empty_like(new)
    np.put_along_axis(out, order, new, axis=1)
    return out


def _contains(ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    if not len(ascending):
        return np.zeros(values.shape, dtype=bool)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: np.ndarray = ascending[at] == values
    return found
