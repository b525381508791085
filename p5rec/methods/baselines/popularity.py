"""The most popular items, overall or recently: the same list for all users, without the items that
each has seen. N items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .scorer import ItemScorer

SMOOTHING = np.float32(0.5)  # added to an item's events, so that the logarithm is finite


@dataclass(frozen=True, eq=False)
class PopularityPredictor(ItemScorer):
    """Ranks by training events.

    Attributes:
        counts: ``(N,)`` float32 weighted training events of each item.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    counts: np.ndarray
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        return np.broadcast_to(self.counts, (len(histories), len(self.counts)))

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`; the same for all requests."""
        return np.log(self.scores(histories) + SMOOTHING)

    def over(self, row_of: np.ndarray) -> Self:
        """See :class:`p5rec.methods.predictors.ScoresOtherItems`; unknown items have no events."""
        counts = np.where(row_of >= 0, self.counts[row_of], np.float32(0))
        return replace(self, counts=counts, tie=np.arange(len(row_of)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        save_arrays(folder, {"counts": self.counts, "tie": self.tie})


class Popularity(Method):
    """The most popular items, of all times or recently."""

    kind: Literal["popularity"] = "popularity"
    half_life: float | None = Field(default=None, gt=0)
    """Share of the training events, counted from the end of the log, after which an event counts
    half. null: all count alike. The weights sum to the number of events.
    """

    scores_items = True

    def learn(self, interactions: Interactions, split: Split) -> PopularityPredictor:
        """Counts the training events of each item, for target behaviours."""
        train = split.mask("train")
        counted = train & interactions.is_target
        weights = self._weights(interactions.times[counted])
        counts = np.bincount(interactions.items[counted], weights, minlength=interactions.n_items)
        tie = tie_order(interactions.item_keys, split.seed)
        return PopularityPredictor(
            counts.astype(np.float32), tie, Lineage(interactions.event_keys[train])
        )

    def _weights(self, times: np.ndarray) -> np.ndarray:
        """``(n,)`` weights of events at ``times (n,)``."""
        if self.half_life is None or not len(times):
            return np.ones(len(times))
        later = len(times) - np.searchsorted(np.sort(times), times, side="right")
        weights: np.ndarray = 0.5 ** (later / (self.half_life * len(times)))
        return weights * (len(times) / weights.sum())

    def load(self, folder: Path) -> PopularityPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return PopularityPredictor(**load_arrays(folder))
