"""A component without information: random scores for every user and item."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng, tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.methods.arrays import load_arrays, save_arrays
from p5rec.methods.base import Method
from p5rec.methods.baselines.scorer import ItemScorer


@dataclass(frozen=True, eq=False)
class RandomScores(ItemScorer):
    """``tie (N,)``."""

    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """Random log-probabilities."""
        scores = [derive_rng(user, "noise").normal(size=len(self.tie)) for user in histories.users]
        return np.array(scores, dtype=np.float32).reshape(len(histories), len(self.tie))

    def item_logs(self, histories: Histories) -> np.ndarray:
        """The scores."""
        return self.scores(histories)

    def over(self, row_of: np.ndarray) -> Self:
        """Not used."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Predictor`."""
        save_arrays(folder, {"tie": self.tie})


class Noise(Method):
    """A method without settings."""

    kind: Literal["noise"] = "noise"

    scores_items = True

    def learn(self, interactions: Interactions, split: Split) -> RandomScores:
        """Ignores the events."""
        return RandomScores(tie_order(interactions.item_keys, split.seed), Lineage.none())

    def load(self, folder: Path) -> RandomScores:
        """See :class:`p5rec.methods.base.Method`."""
        return RandomScores(load_arrays(folder)["tie"])
