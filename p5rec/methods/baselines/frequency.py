"""The items that a user bought most often: baselines for repeat purchases.

Personal frequency is P-TopFreq, with the most popular items behind it GP-TopFreq (Li et al. 2021,
"A Next Basket Recommendation Reality Check", arXiv:2109.14233). B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.data.matrices import frequency_matrix
from p5rec.data.train_events import training_counts

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .scorer import ItemScorer

SMOOTHING = np.float32(0.03)  # added to each share of the most frequent item's baskets


def logs_of_shares(scores: np.ndarray) -> np.ndarray:
    """``(B, N)``: ``log(1 + share / SMOOTHING)``; shares are non-negative ``scores (B, N)`` divided
    by the best score of the request."""
    best = scores.max(axis=1, keepdims=True, initial=0)
    shares = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
    logs: np.ndarray = np.log1p(shares / SMOOTHING)
    return logs


@dataclass(frozen=True, eq=False)
class FrequencyPredictor(ItemScorer):
    """Ranks by the number of baskets of the history with an item; other items follow.

    Attributes:
        behind: ``(N,)`` float32 in [0, 1): scores of items that are not in the history.
        tie: ``(N,)`` tie order.
        half_life: see :class:`PersonalFrequency`.
        lineage: the training events.
    """

    behind: np.ndarray
    tie: np.ndarray
    half_life: float | None
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        own = self._own(histories)
        return np.where(own > 0, 1 + own, self.behind)

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`: 0 for items that are new to a user,
        up to ``log(1 + 1 / SMOOTHING)`` for those of the history."""
        return logs_of_shares(self._own(histories))

    def over(self, row_of: np.ndarray) -> Self:
        """See :class:`p5rec.methods.predictors.ScoresOtherItems`."""
        behind = np.where(row_of >= 0, self.behind[row_of], np.float32(0))
        return replace(self, behind=behind, tie=np.arange(len(row_of)))

    def _own(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32: the number of baskets of a history with an item."""
        return frequency_matrix(histories, len(self.tie), self.half_life).toarray()

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        save_arrays(folder, {"behind": self.behind, "tie": self.tie})


class PersonalFrequency(Method):
    """The items of a user's own history, those in most baskets first."""

    kind: Literal["personal-frequency"] = "personal-frequency"
    half_life: float | None = Field(default=None, gt=0)
    """Baskets (events, without baskets) after which a basket counts half. null: all count alike."""

    scores_items = True

    def fit_settings(self) -> dict[str, object]:
        """See :class:`p5rec.methods.base.Method`: the weights of a history do not affect a fit."""
        return {name: v for name, v in super().fit_settings().items() if name != "half_life"}

    def learn(self, interactions: Interactions, split: Split) -> FrequencyPredictor:
        """A predictor without parameters: it needs histories alone."""
        behind = np.zeros(interactions.n_items, dtype=np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        return FrequencyPredictor(behind, tie, self.half_life, Lineage.none())

    def load(self, folder: Path) -> FrequencyPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return FrequencyPredictor(**load_arrays(folder), half_life=self.half_life)


class PersonalGeneralFrequency(PersonalFrequency):
    """The same, followed by all other items by their training events."""

    kind: Literal["personal-general-frequency"] = "personal-general-frequency"  # type: ignore[assignment]

    def learn(self, interactions: Interactions, split: Split) -> FrequencyPredictor:
        """Counts the training events of each item, for target behaviours."""
        counts = training_counts(interactions, split)
        behind = (counts / (1 + counts.max())).astype(np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        lineage = Lineage(interactions.event_keys[split.mask("train")])
        return FrequencyPredictor(behind, tie, self.half_life, lineage)
