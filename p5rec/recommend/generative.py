"""The trained model as a recommender: a history in, its continuation out."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Histories, RankedLists
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.checkpoint import Bundle

from .capabilities import check_taught
from .config import DecodeConfig
from .listing import rank_prompts
from .tables import RankingTables
from .whole import whole_scores


class GenerativeRecommender:
    """Reads a history as one sequence of item codes, as dense training taught it.

    What all queries read is made when it is, and stays as it was; threads may share it, and it is
    silent.

    Args:
        bundle: ready to answer, and no longer trained.
        config: beams, precision.
        seed: of the tie order.

    Raises:
        UserError: the model was not taught ``next-item``, or is to be asked for whole items by a head
            that it does not have.
    """

    def __init__(self, bundle: Bundle, config: DecodeConfig, seed: int = 0) -> None:
        check_taught(bundle.settings.tasks, "next-item")
        self.bundle, self.config, self.seed = bundle, config, seed
        self.tables = RankingTables.build(bundle, config, seed)
        _ = bundle.layout.items  # made on first use, which is now

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """``(B, k)`` lists; see :class:`p5rec.recommend.protocols.Recommender`.

        Args:
            allowed: the items that each request may be given.
        """
        if exclude_seen:
            allowed = (allowed or Allowed()) & Allowed(never=ItemLists.seen(histories))
        items, scores = rank_prompts(
            self.tables, self.bundle.histories(histories), k, allowed, histories.keys
        )
        return RankedLists(histories.users, items, scores)

    def item_logs(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32: the item head's log-probabilities of all items; ``search: item-head``."""
        out = np.empty((len(histories), len(self.tables.tie)), dtype=np.float32)
        for rows, found in whole_scores(self.tables, self.bundle.histories(histories)):
            out[rows] = found
        return out
