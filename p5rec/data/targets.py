"""From where in a history each event is asked for: a network learns the next event, or the next
basket.

``next-event``: after the event before it. Events of one moment have no order, so each draw of one
asks an event after some of its own basket: sets are completed, and follow each other.
``next-basket``: after all events before its basket and none of the basket itself, as a split asks
that holds out whole baskets. All items of a basket are asked from one state.

E events in order of user and moment, n of one history.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from p5rec.core.types import Split

from .split import OF_BASKETS

Targets = Literal["next-event", "next-basket"]


def targets_of(split: Split, chosen: Targets | None) -> Targets:
    """What a network is asked for.

    Args:
        split: one that holds out baskets asks for the next basket, any other for the next event.
        chosen: what a config says; None: as the split has it.
    """
    if chosen is not None:
        return chosen
    return "next-basket" if split.name in OF_BASKETS else "next-event"


def steps_back(groups: np.ndarray, targets: Targets) -> np.ndarray:
    """``(n,)`` int64: how many events before each event the one stands after which it is asked for;
    one more than there are events before it: at the beginning of the history.

    Args:
        groups: ``(n,)`` ascending, equal for events of one basket.
        targets: what is asked for.
    """
    if targets == "next-event":
        return np.ones(len(groups), dtype=np.int64)
    return np.arange(len(groups)) - np.searchsorted(groups, groups) + 1
