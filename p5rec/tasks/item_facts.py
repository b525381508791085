"""Facts about items that prompts ask for: short attribute values, decades, who liked an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p5rec.core.types import Interactions

Known = tuple[tuple[str, tuple[str, ...]], ...]  # attributes, each with its values
TRAIT_WORDS = 3  # a longer attribute value is prose, not a trait


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """Facts about N items.

    Attributes:
        attributes: ``(N,)`` an item's known attributes.
        log: the events.
        liked: ``(E,)`` bool, the training events that their users liked.
    """

    attributes: Sequence[Known]
    log: Interactions
    liked: np.ndarray

    @cached_property
    def short_values(self) -> list[tuple[str, ...]]:
        """``(N,)`` short attribute values of each item, without years, each once."""
        return [
            tuple(dict.fromkeys(v for _, values in known for v in values if is_trait(v)))
            for known in self.attributes
        ]

    @cached_property
    def decades(self) -> list[str]:
        """``(N,)`` the decade of each item's year, such as ``1990s``; "" without a year."""
        years = [
            next((v for name, values in known for v in values if is_year(name, v)), "")
            for known in self.attributes
        ]
        return [f"{year[:-1]}0s" if year else "" for year in years]

    def fans(self, item: int) -> np.ndarray:
        """The users who liked an item in training, each once, ascending."""
        users, offsets = self._fans
        return users[offsets[item] : offsets[item + 1]]

    @cached_property
    def _fans(self) -> tuple[np.ndarray, np.ndarray]:
        """Users who liked an item, by item, and ``(N + 1,)`` the first of each item."""
        events = np.stack([self.log.items[self.liked], self.log.users[self.liked]], axis=1)
        pairs = np.unique(events, axis=0)
        return pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(self.log.n_items + 1))


def is_trait(value: str) -> bool:
    """Whether an attribute value is short and has a letter."""
    return any(c.isalpha() for c in value) and len(value.split()) <= TRAIT_WORDS


def is_year(name: str, value: str) -> bool:
    """Whether ``value`` of the attribute ``name`` is a year."""
    return "year" in name.lower() and value.isdigit()
