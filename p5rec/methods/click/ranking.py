"""Ranks the items of a request by predicted probability. B requests, N items, n candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from p5rec.core.types import Histories, RankedLists

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed


class RanksPairs:
    """Ranks by :meth:`scores`; of candidates for all requests, it scores these alone.

    Attributes:
        tie: ``(N,)`` tie order.
    """

    tie: np.ndarray

    def scores(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B, n)`` float32: the probability of each of ``items (n,)``, which does not depend on
        the other requests."""
        raise NotImplementedError

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.methods.predictors.Recommends`; the score is the probability."""
        from p5rec.recommend.ranking import rank_all  # configs do not import torch

        count = len(self.tie)
        items = np.arange(count)
        if allowed is not None and allowed.candidates is not None:
            items = np.flatnonzero(allowed.candidates)

        def score(block: Histories) -> np.ndarray:
            scores = np.full((len(block), count), -np.inf, dtype=np.float32)
            scores[:, items] = self.scores(block, items)
            return scores

        return rank_all(score, histories, k, self.tie, exclude_seen=exclude_seen, allowed=allowed)
