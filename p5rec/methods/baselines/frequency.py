"""What a user bought most often: the baselines that repeat purchases call for.

Personal frequency is P-TopFreq, with the most popular items behind it GP-TopFreq (Li et al. 2021,
"A Next Basket Recommendation Reality Check", arXiv:2109.14233). B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.data.matrices import frequency_matrix

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .dense import DenseScorer


@dataclass(frozen=True, eq=False)
class FrequencyPredictor(DenseScorer):
    """Ranks by the baskets of the history that hold an item, and other items behind those.

    Attributes:
        behind: ``(N,)`` float32 from 0 to below 1: what an item scores that the history lacks.
        tie: ``(N,)`` tie order.
        half_life: see :class:`PersonalFrequency`.
        lineage: the training events.
    """

    behind: np.ndarray
    tie: np.ndarray
    half_life: float | None
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.dense.DenseScorer`."""
        own = frequency_matrix(histories, len(self.tie), self.half_life).toarray()
        return np.where(own > 0, 1 + own, self.behind)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Predictor`."""
        save_arrays(folder, {"behind": self.behind, "tie": self.tie})


class PersonalFrequency(Method):
    """How baskets of a history count.

    Attributes:
        half_life: baskets (events, where each stands alone) after which a basket counts half; None:
            all count alike.
    """

    kind: Literal["personal-frequency"] = "personal-frequency"
    half_life: float | None = Field(default=None, gt=0)

    def learn(self, interactions: Interactions, split: Split) -> FrequencyPredictor:
        """Nothing is learned: a history is its own model."""
        behind = np.zeros(interactions.n_items, dtype=np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        return FrequencyPredictor(behind, tie, self.half_life, Lineage.none())

    def load(self, folder: Path) -> FrequencyPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return FrequencyPredictor(**load_arrays(folder), half_life=self.half_life)


class PersonalGeneralFrequency(PersonalFrequency):
    """The same, with all other items behind by their training events."""

    kind: Literal["personal-general-frequency"] = "personal-general-frequency"  # type: ignore[assignment]

    def learn(self, interactions: Interactions, split: Split) -> FrequencyPredictor:
        """Count the training events of each item, those of target behaviours."""
        train = split.mask("train")
        counted = interactions.items[train & interactions.is_target]
        counts = np.bincount(counted, minlength=interactions.n_items)
        behind = (counts / (1 + counts.max())).astype(np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        lineage = Lineage(interactions.event_keys[train])
        return FrequencyPredictor(behind, tie, self.half_life, lineage)
