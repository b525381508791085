"""The trained model as a recommender: a history in, its continuation out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from p5rec.core.types import Histories, RankedLists
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.checkpoint import Bundle

from .capabilities import check_head, check_taught
from .config import DecodeConfig
from .listing import rank_prompts


class GenerativeRecommender:
    """Reads a history as one sequence of item codes, as dense training taught it.

    Where the bundle has a linear part, that reads the whole history beside it.

    Args:
        bundle: ready to answer.
        config: beams, precision.
        name: how reports call it.
        seed: of the tie order.

    Raises:
        UserError: the model was not taught ``dense``, or is to be asked for whole items by a head
            that it does not have.
    """

    def __init__(self, bundle: Bundle, config: DecodeConfig, name: str, seed: int = 0) -> None:
        check_taught(bundle, "dense")
        if config.search == "items":
            check_head(bundle)
        self.bundle, self.config, self.name, self.seed = bundle, config, name, seed

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
            seen = ItemLists(histories.items.astype(np.int64), histories.offsets)
            allowed = (allowed or Allowed()) & Allowed(never=seen)
        config = self.config.model_copy(update={"k": k, "beams": max(self.config.beams, k)})
        items, scores = rank_prompts(
            self.bundle,
            self.bundle.histories(histories),
            config,
            self.seed,
            allowed,
            histories.keys,
            more=self._linear(histories),
        )
        return RankedLists(histories.users, items, scores)

    def _linear(self, histories: Histories) -> Callable[[np.ndarray], np.ndarray] | None:
        linear, weight = self.bundle.linear, np.float32(self.config.linear_weight)
        if linear is None or not weight:
            return None
        return lambda rows: weight * linear.logs(histories.take(rows))
