"""The base class of predictors that score every item of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from p5rec.core.types import Histories, RankedLists

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed


class ItemScorer:
    """Ranks by :meth:`scores`.

    Attributes:
        tie: ``(N,)`` tie order.
    """

    tie: np.ndarray

    def scores(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32; a request's scores do not depend on the other requests."""
        raise NotImplementedError

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.methods.predictors.Recommends`."""
        from p5rec.recommend.ranking import rank_all  # configs do not import torch

        return rank_all(
            self.scores, histories, k, self.tie, exclude_seen=exclude_seen, allowed=allowed
        )
