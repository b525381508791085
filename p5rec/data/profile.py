"""Profile events: the first training events of each user, from which texts about the user are made.

A text about a user must not tell the labels that a model is trained to predict. So these events are
no targets of click training (Xi et al., arXiv:2306.10933). They stay training events otherwise.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Interactions, Split


def profile_events(interactions: Interactions, split: Split, share: float, most: int) -> np.ndarray:
    """``(E,)`` bool: the first ``min(ceil(share * n), most)`` of each user's n training events.

    Args:
        interactions: E events.
        split: their splits.
        share: 0 to 1.
        most: events of one user, at most.
    """
    train = np.flatnonzero(split.mask("train"))
    users = interactions.users[train]
    position = np.arange(len(train)) - np.searchsorted(users, users)
    counts = np.bincount(users, minlength=interactions.n_users)
    limits = np.minimum(np.ceil(share * counts - 1e-9), most)  # .1 * 30 exceeds 3 by rounding
    profile = np.zeros(len(interactions), dtype=bool)
    profile[train] = position < limits[users]
    return profile
