"""The narrow waist: what anything that recommends, rates or explains must offer, and no more.

B requests, K list length.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from p5rec.core.types import Histories, RankedLists


@runtime_checkable
class Recommender(Protocol):
    """Ranks the catalogue for each request."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        """The best ``k`` items of each request.

        A request's list depends on that request alone, not on those beside it.

        Args:
            histories: B requests.
            k: K, at least 1.
            exclude_seen: leave out the items of the request's own history.

        Returns:
            ``(B, k)`` lists, filled up with -1 where fewer than k items remain.
        """
        ...


@runtime_checkable
class RatingPredictor(Protocol):
    """Says what a user would rate an item."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def predict(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """The rating of ``items[b]`` by the user of request b.

        Args:
            histories: B requests.
            items: ``(B,)`` item rows.

        Returns:
            ``(B,)`` float32 in rating points, not clipped to the scale.
        """
        ...


@runtime_checkable
class Explainer(Protocol):
    """Says in words why an item suits a user."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def explain(self, histories: Histories, items: np.ndarray) -> list[str]:
        """B texts, the b-th about item ``items[b]`` for the user of request b.

        Args:
            histories: B requests.
            items: ``(B,)`` item rows.
        """
        ...
