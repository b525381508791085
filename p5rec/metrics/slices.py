"""The parts of a test set that every report shows beside the whole."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Interactions, Split

SHORT = 5  # training events of a user with a short history, at most


def slices(
    users: np.ndarray,
    targets: np.ndarray,
    interactions: Interactions,
    split: Split,
    events: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Who belongs to which slice, all but the last two by training events alone.

    ``item-frequency-q1`` (rarest) to ``-q5``: the target's number of training events, cut where
    each fifth of the training events ends, so that every slice holds about as much of the data
    and items of equal frequency stay together. ``short-history``: users with at most
    :data:`SHORT` training events. ``unseen-item``: targets without any, in no quintile. ``repeat``:
    the user had the target before, in whatever part and by a target behaviour; ``new``: the
    others. These two are there only where some target is a repeat.

    Args:
        users: ``(B,)`` user rows, -1 where a case is nobody's.
        targets: ``(B,)`` item rows, or ``(B, T)`` with -1 as padding.
        interactions: all events.
        split: which of them train.
        events: of the shape of ``targets``, the event that each is of, -1 where none; without,
            nothing is said of repeats.

    Returns:
        Slice name to bool of the shape of ``targets``: those that belong to it.
    """
    real = targets >= 0
    if targets.ndim == 2:
        users = np.broadcast_to(users[:, None], targets.shape)
    train = split.mask("train")
    item_events = np.bincount(interactions.items[train], minlength=interactions.n_items)
    user_events = np.bincount(interactions.users[train], minlength=interactions.n_users)
    frequency = np.where(real, item_events[targets], -1)
    quintile = np.zeros(targets.shape, dtype=np.int64)
    if train.any():
        met = item_events[interactions.items[train]]
        cuts = np.quantile(met, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        quintile = np.where(frequency > 0, 1 + np.searchsorted(cuts, frequency), 0)
    found = {
        **{f"item-frequency-q{q}": quintile == q for q in range(1, 6)},
        "short-history": real & (users >= 0) & (user_events[users] <= SHORT),
        "unseen-item": frequency == 0,
    }
    if events is not None:
        again = _repeats(interactions, events, targets)
        found |= {"repeat": again, "new": real & ~again} if again.any() else {}
    return found


def _repeats(interactions: Interactions, events: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether the user of each event had its item, the target, before; in the events' shape."""
    taken = np.flatnonzero(interactions.is_target)
    users, items = interactions.users[taken].astype(np.int64), interactions.items[taken]
    _, first, pair = np.unique(
        users * interactions.n_items + items, return_index=True, return_inverse=True
    )
    again = np.zeros(len(interactions), dtype=bool)
    again[taken] = first[pair] < np.arange(len(taken))
    its_own = (events >= 0) & (interactions.items[events] == targets)
    found: np.ndarray = its_own & again[events]
    return found
