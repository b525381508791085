"""The position in a history from which a network predicts each event.

``next-event``: from the previous event. Events of one moment have no order: each epoch shuffles
them, so the network learns to complete baskets and to predict the next one.
``next-basket``: from the last event before its basket, without events of the basket itself. This
matches a split that holds out whole baskets. One hidden state predicts all items of a basket.

E events sorted by user and moment, n events of one history.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from p5rec.core.types import Split

from .split import OF_BASKETS

Targets = Literal["next-event", "next-basket"]


def targets_of(split: Split, chosen: Targets | None) -> Targets:
    """The prediction target of a network.

    Args:
        split: a split by baskets implies the next basket, any other split the next event.
        chosen: the value in the config; None follows the split.
    """
    if chosen is not None:
        return chosen
    return "next-basket" if split.name in OF_BASKETS else "next-event"


def steps_back(groups: np.ndarray, targets: Targets) -> np.ndarray:
    """``(n,)`` int64: the distance from each event back to the event that predicts it.

    A distance beyond the first event means the beginning of the history.

    Args:
        groups: ``(n,)`` ascending, equal for events of one basket.
        targets: the prediction target.
    """
    if targets == "next-event":
        return np.ones(len(groups), dtype=np.int64)
    return np.arange(len(groups)) - np.searchsorted(groups, groups) + 1
