"""Which items could have been shown at a time: of those is a negative drawn that stands for "shown
and not taken".

An item could be shown from its first event on. N items, n questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from p5rec.core.types import Interactions

ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Available:
    """Since when each item could be shown.

    Attributes:
        since: ``(N,)`` int64 times as those of events; :data:`ALWAYS` where nothing is known.
    """

    since: np.ndarray

    @classmethod
    def of(cls, interactions: Interactions, events: np.ndarray | None = None) -> Self:
        """Items since their first event, one without any since ever; where times are positions in a
        history, which say nothing of another user's, all since ever.

        Args:
            events: ``(E,)`` bool, the events that count; None: all.
        """
        since = np.full(interactions.n_items, np.iinfo(np.int64).max)
        if interactions.dated:
            own = slice(None) if events is None else events
            np.minimum.at(since, interactions.items[own], interactions.times[own])
        since[since == np.iinfo(np.int64).max] = ALWAYS
        return cls(since)

    @cached_property
    def order(self) -> np.ndarray:
        """``(N,)`` items, those that could be shown earlier first."""
        return np.argsort(self.since, kind="stable")

    @cached_property
    def ascending(self) -> np.ndarray:
        """``(N,)`` the times of :attr:`order`."""
        found: np.ndarray = self.since[self.order]
        return found

    def at(self, time: int) -> np.ndarray:
        """``(N,)`` bool: which items could be shown at ``time``."""
        return np.asarray(self.since <= time)

    def counts(self, times: np.ndarray) -> np.ndarray:
        """``(n,)`` how many items could be shown at each of ``times (n,)``."""
        return np.asarray(np.searchsorted(self.ascending, times, side="right"))

    def drawn(self, counts: np.ndarray, luck: np.ndarray) -> np.ndarray:
        """``(n,)`` int64 items, each drawn evenly from the first of :attr:`order`.

        Args:
            counts: ``(n,)`` of how many, at least 1 (:meth:`counts`).
            luck: ``(n,)`` uint64, uniform.
        """
        found: np.ndarray = self.order[(luck % counts.astype(np.uint64)).astype(np.int64)]
        return found
