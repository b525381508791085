"""EASE: a linear autoencoder with zero diagonal, in closed form (Steck 2019, arXiv:1905.03375)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.linalg import inv

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus, Histories, Interactions, Split
from p5rec.data.matrices import history_matrix, training_matrix

from ..arrays import load_arrays, save_arrays
from ..base import Method
from ..plans import Plan, PlanContext
from .scorer import ItemScorer


@dataclass(frozen=True, eq=False)
class EasePredictor(ItemScorer):
    """Scores items by a linear map of the history.

    Attributes:
        weights: ``(N, N)`` float32, B in the paper: row i holds item i's weights for the others.
        tie: ``(N,)`` tie order.
        half_life: see :class:`Ease`.
        lineage: the training events.
    """

    weights: np.ndarray
    tie: np.ndarray
    half_life: float | None
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        # sparse times dense sums each row on its own: scores do not depend on other requests
        return history_matrix(histories, len(self.tie), self.half_life) @ self.weights

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        save_arrays(folder, {"weights": self.weights, "tie": self.tie})


class Ease(Method):
    """A linear autoencoder in closed form (EASE, Steck 2019, arXiv:1905.03375)."""

    kind: Literal["ease"] = "ease"
    l2: float = Field(default=500.0, gt=0)
    """Ridge penalty (lambda in the paper), in users."""
    half_life: float | None = Field(default=None, gt=0)
    """Baskets (events, without baskets) after which an item of the history counts half. null: all
    count alike, as in the paper.
    """
    max_items: int = Field(default=20_000, ge=1)
    """Largest catalogue allowed. Time grows with its cube, memory with its square."""

    grid = {"l2": (100.0, 250.0, 500.0, 1000.0)}

    def learn(self, interactions: Interactions, split: Split) -> EasePredictor:
        """Solves for the weights (the paper's equation 8).

        Raises:
            UserError: more items than ``max_items``.
        """
        n_items = interactions.n_items
        if n_items > self.max_items:
            raise input_error(
                "ease",
                f"at most {self.max_items} items",
                f"{n_items}, whose matrices take {2 * 4 * n_items**2 / 1e9:.0f} GB",
                "remove the method, raise the k-core of the data, or raise max_items",
            )
        users_items = training_matrix(interactions, split)
        gram = (users_items.T @ users_items).toarray()
        gram[np.diag_indices(n_items)] += self.l2
        precision = inv(gram, assume_a="pos", overwrite_a=True, check_finite=False)
        # LAPACK returns column order, which each sparse product would copy
        weights = np.divide(precision, -np.diag(precision), order="C")
        np.fill_diagonal(weights, 0)
        tie = tie_order(interactions.item_keys, split.seed)
        return EasePredictor(
            weights, tie, self.half_life, Lineage(interactions.event_keys[split.mask("train")])
        )

    def plan(self, corpus: Corpus, among: PlanContext) -> Plan:
        """See :class:`p5rec.methods.base.Method`: memory for two N by N matrices."""
        return Plan(len(self.points()), 2 * 4.0 * len(corpus.catalog) ** 2)

    def load(self, folder: Path) -> EasePredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return EasePredictor(**load_arrays(folder), half_life=self.half_life)
