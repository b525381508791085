"""The most popular items: the same list for everybody, less what each has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .dense import DenseScorer


@dataclass(frozen=True, eq=False)
class PopularityPredictor(DenseScorer):
    """Ranks by training events.

    Attributes:
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    counts: np.ndarray
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.dense.DenseScorer`."""
        return np.broadcast_to(self.counts, (len(histories), len(self.counts)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        save_arrays(folder, {"counts": self.counts, "tie": self.tie})


class Popularity(Method):
    """Nothing to choose."""

    kind: Literal["popularity"] = "popularity"

    def learn(self, interactions: Interactions, split: Split) -> PopularityPredictor:
        """Count the training events of each item, those of target behaviours."""
        train = split.mask("train")
        counted = interactions.items[train & interactions.is_target]
        counts = np.bincount(counted, minlength=interactions.n_items)
        tie = tie_order(interactions.item_keys, split.seed)
        return PopularityPredictor(
            counts.astype(np.float32), tie, Lineage(interactions.event_keys[train])
        )

    def load(self, folder: Path) -> PopularityPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return PopularityPredictor(**load_arrays(folder))
