"""A recommender for a catalogue that differs from the one it was fitted to.

B requests, N items of the data, M items of the recommender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from p5rec.core.types import NOBODY, Histories, RankedLists
from p5rec.data.known import item_indices

from .protocols import Recommender

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed


@dataclass(frozen=True, eq=False)
class OtherCatalogRecommender:
    """Ranks the items that are in both catalogues.

    Histories are reduced to items that the recommender knows. Its requests have no user: user rows
    are those of the data.

    Attributes:
        recommender: ranks its own M items.
        own: ``(N,)`` the recommender's row of each item of the data; -1: it has none.
        listed: ``(M,)`` the data's row of each item of the recommender; -1: they have none.
    """

    recommender: Recommender
    own: np.ndarray
    listed: np.ndarray

    @classmethod
    def of(cls, recommender: Recommender, known: Sequence[str], items: Sequence[str]) -> Self:
        """By external ids: ``known (M,)`` of the recommender, ``items (N,)`` of the data."""
        return cls(recommender, item_indices(items, known), item_indices(known, items))

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`.protocols.Recommender`; ``allowed`` must be None."""
        from p5rec.decode.allowed import Allowed

        assert allowed is None, "rows of the data"
        within = Allowed(candidates=self.listed >= 0)
        lists = self.recommender.recommend(
            self._translated(histories), k, exclude_seen=exclude_seen, allowed=within
        )
        items = np.where(lists.items >= 0, self.listed[lists.items], -1)
        return RankedLists(histories.users, items.astype(np.int32), lists.scores)

    def _translated(self, histories: Histories) -> Histories:
        """The requests with the recommender's item rows."""
        known = histories.where(self.own[histories.items] >= 0)
        users = np.full(len(known), NOBODY, dtype=np.int32)
        return replace(known, users=users, items=self.own[known.items].astype(np.int32))
