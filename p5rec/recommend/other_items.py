"""A recommender asked about a catalogue that is not its own: data of another day.

B requests, N items of the data, M items of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from p5rec.core.types import NOBODY, Histories, RankedLists
from p5rec.data.known import rows_among

from .protocols import Recommender

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed


@dataclass(frozen=True, eq=False)
class OverOtherItems:
    """Ranks the items that both know.

    What it does not know is left out of histories, and requests come from nobody it knows: rows of
    users are those of the data.

    Attributes:
        recommender: ranks its own M items.
        own: ``(N,)`` its row of each item of the data, -1 where it has none.
        listed: ``(M,)`` the data's row of each item of its own, -1 where they have none.
    """

    recommender: Recommender
    own: np.ndarray
    listed: np.ndarray

    @classmethod
    def of(cls, recommender: Recommender, known: Sequence[str], items: Sequence[str]) -> Self:
        """By external ids: ``known (M,)`` of its own, ``items (N,)`` of the data."""
        return cls(recommender, rows_among(items, known), rows_among(known, items))

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`.protocols.Recommender`; of ``allowed`` there must be none."""
        from p5rec.decode.allowed import Allowed

        assert allowed is None, "rows of the data"
        within = Allowed(within=self.listed >= 0)
        lists = self.recommender.recommend(
            self._read(histories), k, exclude_seen=exclude_seen, allowed=within
        )
        items = np.where(lists.items >= 0, self.listed[lists.items], -1)
        return RankedLists(histories.users, items.astype(np.int32), lists.scores)

    def _read(self, histories: Histories) -> Histories:
        """The requests under its own rows."""
        known = histories.where(self.own[histories.items] >= 0)
        users = np.full(len(known), NOBODY, dtype=np.int32)
        return replace(known, users=users, items=self.own[known.items].astype(np.int32))
