"""A method in one file: items that followed the last item in training, and clicks on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng, tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.methods.arrays import load_arrays, save_arrays
from p5rec.methods.base import Method
from p5rec.methods.baselines.scorer import ItemScorer


@dataclass(frozen=True, eq=False)
class Follows(ItemScorer):
    """``follows (N, N)`` float32: counts of an item after another, and ``tie (N,)``."""

    follows: np.ndarray
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """The row of each request's last item."""
        scores = np.zeros((len(histories), len(self.tie)), dtype=np.float32)
        known = np.flatnonzero(histories.lengths)
        scores[known] = self.follows[histories.items[histories.offsets[known + 1] - 1]]
        return scores

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` the probability of a click on ``items (B,)``."""
        scores = self.scores(histories)
        chosen = scores[np.arange(len(items)), items]
        return chosen / (chosen + scores.mean(axis=1) + 1)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Predictor`."""
        save_arrays(folder, {"follows": self.follows, "tie": self.tie})


class LastItem(Method):
    """Counts of successors, with noise."""

    kind: Literal["last-item"] = "last-item"
    noise: float = Field(default=0.01, ge=0)

    capabilities = ("recommend", "predict_click")
    stochastic = True
    grid = {"noise": (0.01, 0.5)}

    def learn(self, interactions: Interactions, split: Split) -> Follows:
        """Counts successive pairs of training events."""
        train = split.mask("train")
        users, items = interactions.users[train], interactions.items[train]
        follows = derive_rng(split.seed, "last item").random((interactions.n_items,) * 2)
        follows = (self.noise * follows).astype(np.float32)
        same = users[1:] == users[:-1]
        np.add.at(follows, (items[:-1][same], items[1:][same]), 1)
        return Follows(
            follows,
            tie_order(interactions.item_keys, split.seed),
            Lineage(interactions.event_keys[train]),
        )

    def load(self, folder: Path) -> Follows:
        """See :class:`p5rec.methods.base.Method`."""
        return Follows(**load_arrays(folder))
