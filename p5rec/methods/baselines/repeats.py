"""What a user had before, by how often and how lately: the personal frequency of items.

B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .dense import DenseScorer

FLOOR = np.float32(0.03)  # of the most frequent item's weight: what an item counts for besides


@dataclass(frozen=True, eq=False)
class RepeatsPredictor(DenseScorer):
    """Ranks the items of a history by their summed weights; the others follow in the tie order.

    Attributes:
        tie: ``(N,)`` tie order.
        half_life: see :class:`Repeats`.
        lineage: no events.
    """

    tie: np.ndarray
    half_life: float | None
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.dense.DenseScorer`."""
        requests = histories.requests()
        age = histories.offsets[1:][requests] - 1 - np.arange(len(requests))
        left = np.ones(len(age)) if self.half_life is None else 0.5 ** (age / self.half_life)
        entries = (left.astype(np.float32), (requests, histories.items))
        summed = csr_array(entries, shape=(len(histories), len(self.tie)))
        return summed.toarray()

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`: 0 for items that are new to a user,
        up to ``log(1 + 1 / FLOOR)`` for those of the history."""
        scores = self.scores(histories)
        best = scores.max(axis=1, keepdims=True, initial=0)
        shares = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
        return np.log1p(shares / FLOOR)

    def over(self, row_of: np.ndarray) -> Self:
        """See :class:`p5rec.methods.predictors.ScoresOtherItems`."""
        return replace(self, tie=np.arange(len(row_of)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        save_arrays(folder, {"tie": self.tie})


class Repeats(Method):
    """How a history is read; nothing is learned.

    Attributes:
        half_life: events after which an event counts half; None: all count alike.
    """

    kind: Literal["repeats"] = "repeats"
    half_life: float | None = Field(default=None, gt=0)

    grid = {"half_life": (None, 64.0, 16.0, 4.0)}
    scores_items = True

    def fit_settings(self) -> dict[str, object]:
        """See :class:`p5rec.methods.base.Method`: how a history is read shapes no fit."""
        return {name: v for name, v in super().fit_settings().items() if name != "half_life"}

    def learn(self, interactions: Interactions, split: Split) -> RepeatsPredictor:
        """Nothing but the order of ties."""
        tie = tie_order(interactions.item_keys, split.seed)
        return RepeatsPredictor(tie, self.half_life, Lineage.none())

    def load(self, folder: Path) -> RepeatsPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return RepeatsPredictor(load_arrays(folder)["tie"], self.half_life)
