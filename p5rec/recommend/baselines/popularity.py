"""The most popular items: the same list for everybody, less what each has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, RankedLists, Split

from ..ranking import rank_all
from .registry import Baseline


class PopularityConfig(Config):
    """Nothing to choose."""


@dataclass(frozen=True, eq=False)
class Popularity:
    """Ranks by training events.

    Attributes:
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    counts: np.ndarray
    tie: np.ndarray
    lineage: Lineage
    name: str = "popularity"

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        """See :class:`p5rec.recommend.protocols.Recommender`."""
        return rank_all(self._score, histories, k, self.tie, exclude_seen=exclude_seen)

    def _score(self, histories: Histories) -> np.ndarray:
        return np.broadcast_to(self.counts, (len(histories), len(self.counts)))


def fit(interactions: Interactions, split: Split, config: PopularityConfig) -> Popularity:
    """Count the training events of each item."""
    train = split.mask("train")
    counts = np.bincount(interactions.items[train], minlength=interactions.n_items)
    tie = tie_order(interactions.item_keys, split.seed)
    return Popularity(counts.astype(np.float32), tie, Lineage(interactions.event_keys[train]))


POPULARITY = Baseline(fit, PopularityConfig(), (PopularityConfig(),))
