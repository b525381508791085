"""Item availability over time, for sampling negatives that a user could have seen.

An item is available from its first event on. N items, n draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from p5rec.core.types import Interactions

ALWAYS, NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Available:
    """The time from which each item is available.

    Attributes:
        since: ``(N,)`` int64 times, in the unit of the events' times; :data:`ALWAYS` if unknown,
            :data:`NEVER` of an item that is not available.
    """

    since: np.ndarray

    @classmethod
    def of(
        cls, interactions: Interactions, events: np.ndarray | None = None, *, others: int = ALWAYS
    ) -> Self:
        """Availability from the first event of each item.

        If times are positions in a history, they are not comparable between users, and an item with
        events is always available.

        Args:
            interactions: E events.
            events: ``(E,)`` bool, the events that count; None counts all.
            others: the time from which an item without such events is available.
        """
        since = np.full(interactions.n_items, NEVER)
        own = slice(None) if events is None else events
        times = interactions.times[own] if interactions.dated else ALWAYS
        np.minimum.at(since, interactions.items[own], times)
        since[since == NEVER] = others
        return cls(since)

    @cached_property
    def order(self) -> np.ndarray:
        """``(N,)`` items, the earliest available first."""
        return np.argsort(self.since, kind="stable")

    @cached_property
    def ascending(self) -> np.ndarray:
        """``(N,)`` the times of :attr:`order`."""
        times: np.ndarray = self.since[self.order]
        return times

    def at(self, time: int) -> np.ndarray:
        """``(N,)`` bool: which items are available at ``time``."""
        return np.asarray(self.since <= time)

    def counts(self, times: np.ndarray) -> np.ndarray:
        """``(n,)`` the number of items available at each of ``times (n,)``."""
        return np.asarray(np.searchsorted(self.ascending, times, side="right"))

    def sample(self, counts: np.ndarray, random: np.ndarray) -> np.ndarray:
        """``(n,)`` int64 items, each drawn uniformly from the available ones.

        Args:
            counts: ``(n,)`` the number of available items, at least 1 (:meth:`counts`).
            random: ``(n,)`` uint64, uniform.
        """
        items: np.ndarray = self.order[(random % counts.astype(np.uint64)).astype(np.int64)]
        return items
