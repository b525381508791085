"""Item-based nearest neighbours (Deshpande and Karypis 2004, with Bell and Koren's shrinkage)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, vstack

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.data.matrices import history_matrix, training_matrix

from ..arrays import load_arrays, save_arrays, sparse, sparse_arrays
from ..base import Method
from .scorer import ItemScorer


@dataclass(frozen=True, eq=False)
class ItemKnnPredictor(ItemScorer):
    """Scores an item by its summed similarity to the items of the history.

    Items that are no neighbour of a history's item score 0 and follow in the tie order.

    Attributes:
        similar: ``(N, N)`` sparse float32; row i holds the neighbours of item i.
        tie: ``(N,)`` tie order.
        half_life: see :class:`ItemKnn`.
        lineage: the training events.
    """

    similar: csr_array
    tie: np.ndarray
    half_life: float | None
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        seen = history_matrix(histories, len(self.tie), self.half_life)
        return (seen @ self.similar).toarray()

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        save_arrays(folder, {"tie": self.tie, **sparse_arrays("similar", self.similar)})


class ItemKnn(Method):
    """Item-based nearest neighbours by cosine (Deshpande and Karypis 2004)."""

    kind: Literal["item-knn"] = "item-knn"
    neighbours: int = Field(default=100, ge=1)
    """Most similar items per item of the history."""
    shrink: float = Field(default=10.0, ge=0)
    """Users added to the denominator of the cosine, so that pairs with few common users count less.
    """
    half_life: float | None = Field(default=None, gt=0)
    """Baskets (events, without baskets) after which an item of the history counts half. null: all
    count alike.
    """

    grid = {"neighbours": (20, 100, 500), "shrink": (0.0, 10.0)}

    def learn(self, interactions: Interactions, split: Split) -> ItemKnnPredictor:
        """Finds each item's neighbours, a block of items at a time."""
        from p5rec.recommend.ranking import CELLS, rank  # configs do not import torch

        users_items = training_matrix(interactions, split)
        items_users = users_items.T.tocsr()
        size = np.sqrt(users_items.sum(axis=0))
        tie = tie_order(interactions.item_keys, split.seed)
        step = max(1, CELLS // interactions.n_items)
        blocks = []
        for start in range(0, interactions.n_items, step):
            rows = np.arange(start, min(start + step, interactions.n_items))
            together = (items_users[rows] @ users_items).toarray()
            together[np.arange(len(rows)), rows] = 0
            norms = size[rows][:, None] * size + np.float32(self.shrink)
            cosine = np.divide(
                together, norms, out=np.full_like(together, -np.inf), where=together > 0
            )
            blocks.append(_sparse(*rank(cosine, self.neighbours, tie), interactions.n_items))
        lineage = Lineage(interactions.event_keys[split.mask("train")])
        similar = vstack(blocks, format="csr")
        return ItemKnnPredictor(similar, tie, self.half_life, lineage)

    def load(self, folder: Path) -> ItemKnnPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        arrays = load_arrays(folder)
        return ItemKnnPredictor(sparse("similar", arrays), arrays["tie"], self.half_life)


def _sparse(items: np.ndarray, scores: np.ndarray, n_items: int) -> csr_array:
    """Ranked lists ``(b, K)`` as a ``(b, N)`` matrix."""
    listed = items >= 0
    rows = np.repeat(np.arange(len(items)), listed.sum(axis=1))
    return csr_array((scores[listed], (rows, items[listed])), shape=(len(items), n_items))
