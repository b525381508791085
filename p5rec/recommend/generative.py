"""The trained model as a recommender: history in, ranked next items out."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import Histories, RankedLists
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle

from .capabilities import require_task
from .config import DecodeConfig
from .item_head import item_head_scores
from .prompt_ranking import rank_for_prompts
from .tables import RankingTables


class GenerativeRecommender:
    """Reads a history as one sequence of item codes, as in next-item training.

    The constructor computes all that queries share. Threads may share a recommender. It writes
    nothing to the terminal.

    Args:
        bundle: ready to predict; its training is over.
        config: beams, precision.
        seed: of the tie order.

    Raises:
        UserError: the model was not trained on ``next-item``, or ``search: item-head`` is set and
            the model has no item head.
    """

    def __init__(self, bundle: Bundle, config: DecodeConfig, seed: int = 0) -> None:
        require_task(bundle.settings.tasks, "next-item")
        self.bundle, self.config, self.seed = bundle, config, seed
        self.tables = RankingTables.build(bundle, config, seed)
        _ = bundle.layout.items  # computed on first use, which is now

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """``(B, k)`` ranked lists; see :class:`p5rec.recommend.protocols.Recommender`.

        Args:
            allowed: the items that may be recommended to each request.
        """
        if exclude_seen:
            allowed = (allowed or Allowed()) & Allowed(deny=ItemLists.seen(histories))
        items, scores = rank_for_prompts(
            self.tables, self.bundle.histories(histories), k, allowed, histories.keys
        )
        return RankedLists(histories.users, items, scores)

    def item_logs(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32: the item head's log-probabilities (``search: item-head``)."""
        out = np.empty((len(histories), len(self.tables.tie)), dtype=np.float32)
        for requests, scores in item_head_scores(self.tables, self.bundle.histories(histories)):
            out[requests] = scores
        return out
