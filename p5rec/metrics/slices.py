"""The parts of a test set that every report shows beside the whole."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Interactions, Split

SHORT = 5  # training events of a user with a short history, at most


def slices(
    users: np.ndarray, targets: np.ndarray, interactions: Interactions, split: Split
) -> dict[str, np.ndarray]:
    """Who belongs to which slice, by training events alone.

    ``item-frequency-q1`` (rarest) to ``-q5``: the target's number of training events, cut where
    each fifth of the training events ends, so that every slice holds about as much of the data
    and items of equal frequency stay together. ``short-history``: users with at most
    :data:`SHORT` training events. ``unseen-item``: targets without any, in no quintile.

    Args:
        users: ``(B,)`` user rows.
        targets: ``(B,)`` item rows.
        interactions: all events.
        split: which of them train.

    Returns:
        Slice name to ``(B,)`` bool.
    """
    train = split.mask("train")
    item_events = np.bincount(interactions.items[train], minlength=interactions.n_items)
    user_events = np.bincount(interactions.users[train], minlength=interactions.n_users)
    frequency = item_events[targets]
    quintile = np.zeros(len(targets), dtype=np.int64)
    if train.any():
        met = item_events[interactions.items[train]]
        cuts = np.quantile(met, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        quintile = np.where(frequency > 0, 1 + np.searchsorted(cuts, frequency), 0)
    return {
        **{f"item-frequency-q{q}": quintile == q for q in range(1, 6)},
        "short-history": user_events[users] <= SHORT,
        "unseen-item": frequency == 0,
    }
