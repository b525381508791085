"""Item-based nearest neighbours (Deshpande and Karypis 2004, with Bell and Koren's shrinkage)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, vstack

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, RankedLists, Split
from p5rec.data.matrices import HALF_LIVES, history_matrix, training_matrix

from ..ranking import CELLS, rank, rank_all
from .registry import Baseline


class ItemKnnConfig(Config):
    """How neighbours are found and weighed.

    Attributes:
        neighbours: items that each item of a history speaks for.
        shrink: users added to the denominator of the cosine, so that pairs met by few count less.
        half_life: events after which an item of the history counts half; None: all count alike.
    """

    neighbours: int = Field(default=100, ge=1)
    shrink: float = Field(default=10.0, ge=0)
    half_life: float | None = Field(default=None, gt=0)


@dataclass(frozen=True, eq=False)
class ItemKnn:
    """Scores an item by its similarity to the items of the history, summed.

    An item that is no neighbour of any scores 0, and such items follow in the tie order.

    Attributes:
        similar: ``(N, N)`` sparse float32; row i holds the neighbours of item i.
        config: how it was fitted.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    similar: csr_array
    config: ItemKnnConfig
    tie: np.ndarray
    lineage: Lineage

    @property
    def name(self) -> str:
        """``item-knn``, or ``item-knn-recency`` where the end of the history counts more."""
        return "item-knn" if self.config.half_life is None else "item-knn-recency"

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        """See :class:`p5rec.recommend.protocols.Recommender`."""
        return rank_all(self._score, histories, k, self.tie, exclude_seen=exclude_seen)

    def _score(self, histories: Histories) -> np.ndarray:
        seen = history_matrix(histories, len(self.tie), self.config.half_life)
        return (seen @ self.similar).toarray()


def fit(interactions: Interactions, split: Split, config: ItemKnnConfig) -> ItemKnn:
    """Find each item's neighbours, a block of items at a time."""
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
        below = size[rows][:, None] * size + np.float32(config.shrink)
        cosine = np.divide(together, below, out=np.full_like(together, -np.inf), where=together > 0)
        blocks.append(_sparse(*rank(cosine, config.neighbours, tie), interactions.n_items))
    lineage = Lineage(interactions.event_keys[split.mask("train")])
    return ItemKnn(vstack(blocks, format="csr"), config, tie, lineage)


def _sparse(items: np.ndarray, scores: np.ndarray, n_items: int) -> csr_array:
    """Ranked lists ``(b, K)`` as a ``(b, N)`` matrix."""
    listed = items >= 0
    rows = np.repeat(np.arange(len(items)), listed.sum(axis=1))
    return csr_array((scores[listed], (rows, items[listed])), shape=(len(items), n_items))


def _grid(half_lives: tuple[float | None, ...]) -> tuple[ItemKnnConfig, ...]:
    return tuple(
        ItemKnnConfig(neighbours=neighbours, shrink=shrink, half_life=half_life)
        for neighbours, shrink, half_life in product((20, 100, 500), (0.0, 10.0), half_lives)
    )


ITEM_KNN = Baseline(fit, ItemKnnConfig(), _grid((None,)))
ITEM_KNN_RECENCY = Baseline(fit, ItemKnnConfig(half_life=4.0), _grid(HALF_LIVES))
