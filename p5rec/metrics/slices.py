"""The slices of the test instances that every report has."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Interactions, Split

SHORT = 5  # most training events of a short history


def slices(
    users: np.ndarray,
    targets: np.ndarray,
    interactions: Interactions,
    split: Split,
    events: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The membership of test instances in slices.

    ``item-frequency-q1`` (rarest) to ``-q5``: by the target's number of training events. Each slice
    covers a fifth of the training events, and items of equal frequency stay together.
    ``short-history``: users with at most :data:`SHORT` training events. ``unseen-user``: users
    without one, if there are any. ``unseen-item``: targets without a training event; they are in no
    quintile. ``repeat``: the user has an earlier event of
    a target behaviour with the target, in any split; ``new``: the other targets. These two slices
    exist only if some target is a repeat.

    Args:
        users: ``(B,)`` user row numbers, -1 for an instance without a user.
        targets: ``(B,)`` item row numbers, or ``(B, T)`` padded with -1.
        interactions: all events.
        split: their split.
        events: the event of each target, -1 for none, in the shape of ``targets``; None skips the
            slices of repeats.

    Returns:
        Slice name → bool in the shape of ``targets``.
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
        frequencies = item_events[interactions.items[train]]
        cuts = np.quantile(frequencies, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        quintile = np.where(frequency > 0, 1 + np.searchsorted(cuts, frequency), 0)
    members = {
        **{f"item-frequency-q{q}": quintile == q for q in range(1, 6)},
        "short-history": real & (users >= 0) & (user_events[users] <= SHORT),
        "unseen-item": frequency == 0,
    }
    unseen = real & (users >= 0) & (user_events[users] == 0)
    members |= {"unseen-user": unseen} if unseen.any() else {}
    if events is not None:
        repeat = _repeats(interactions, events, targets)
        members |= {"repeat": repeat, "new": real & ~repeat} if repeat.any() else {}
    return members


def _repeats(interactions: Interactions, events: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Bool in the shape of ``events``: the event repeats an earlier target event of its user with
    its item."""
    own = np.flatnonzero(interactions.is_target)
    users, items = interactions.users[own].astype(np.int64), interactions.items[own]
    _, first, pair = np.unique(
        users * interactions.n_items + items, return_index=True, return_inverse=True
    )
    repeat = np.zeros(len(interactions), dtype=bool)
    repeat[own] = first[pair] < np.arange(len(own))
    matches = (events >= 0) & (interactions.items[events] == targets)
    result: np.ndarray = matches & repeat[events]
    return result
