"""Item-to-item weights in closed form for any catalogue size: EASE or cosines, pruned to the
largest.

B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus, Histories, Interactions, Split
from p5rec.data.matrices import HALF_LIVES, history_matrix
from p5rec.data.train_events import subsample_users

from ..arrays import load_arrays, save_arrays, sparse, sparse_arrays
from ..base import Method
from ..needs import Inputs
from ..plans import Plan, PlanContext
from .ease import Ease
from .itemknn import ItemKnn
from .scorer import ItemScorer

SMOOTHING = np.float32(0.03)  # added to each share of the best item's score


@dataclass(frozen=True, eq=False)
class ItemToItemPredictor(ItemScorer):
    """Ranks by the summed weights of a history's items.

    Attributes:
        weights: ``(N, N)`` sparse float32; row i holds item i's weights for the others.
        events: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        half_life, popularity_discount: see :class:`ItemToItem`.
        lineage: the training events.
    """

    weights: csr_array
    events: np.ndarray
    tie: np.ndarray
    half_life: float | None = None
    popularity_discount: float = 0.0
    lineage: Lineage | None = None

    @cached_property
    def discounted(self) -> csr_array:
        """``(N, N)``: the weights, divided by the predicted item's events to the power of the
        discount."""
        scale = np.maximum(self.events, 1).astype(np.float32) ** -self.popularity_discount
        weights = self.weights
        data = weights.data * scale[weights.indices]
        return csr_array((data, weights.indices, weights.indptr), shape=weights.shape)

    @cached_property
    def predicted(self) -> np.ndarray:
        """``(N,)`` bool: the items that at least one item has a weight for."""
        known: np.ndarray = np.bincount(self.weights.indices, minlength=len(self.tie)) > 0
        return known

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`.

        Logarithms of the summed weights as shares of the best item's, plus ``SMOOTHING``, which
        bounds the loss of items without weights. All scores are equal for an unknown history.
        """
        read = history_matrix(histories, len(self.tie), self.half_life)
        # sums each row on its own: scores do not depend on other requests
        scores = (read @ self.discounted).toarray().clip(min=0)
        best = scores.max(axis=1, keepdims=True, initial=0)
        shares = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
        logs = np.log(shares + SMOOTHING)
        logs[:, ~self.predicted] = np.nan
        return logs

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`; unknown items get the lowest score."""
        return np.nan_to_num(self.item_logs(histories), nan=np.log(SMOOTHING))

    def over(self, row_of: np.ndarray) -> Self:
        """See :class:`p5rec.methods.predictors.ScoresOtherItems`."""
        entries = self.weights.tocoo()
        new_row = np.full(len(self.tie), -1)
        known = row_of >= 0
        new_row[row_of[known]] = np.flatnonzero(known)
        rows, columns = new_row[entries.row], new_row[entries.col]
        inside = (rows >= 0) & (columns >= 0)
        pairs, size = (rows[inside], columns[inside]), len(row_of)
        weights = csr_array((entries.data[inside], pairs), shape=(size, size))
        events = np.where(known, self.events[row_of], 0)
        return replace(self, weights=weights, events=events, tie=np.arange(size))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        arrays = {"events": self.events, "tie": self.tie}
        save_arrays(folder, {**arrays, **sparse_arrays("weights", self.weights)})


class ItemToItem(Method):
    """EASE or item-kNN for catalogues of any size, discounted by popularity."""

    kind: Literal["item-to-item"] = "item-to-item"
    weights: Literal["auto", "ease", "item-knn"] = "auto"
    """``ease`` (Steck 2019, arXiv:1905.03375). ``item-knn``: cosines between the user sets of two
    items. ``auto``: EASE up to ``max_items``, item-kNN beyond.
    """
    l2: float = Field(100.0, gt=0)
    """Ridge penalty of EASE, in users."""
    max_neighbours: int = Field(500, ge=1)
    """Largest weights stored per item (neighbours)."""
    max_items: int = Field(20_000, ge=1)
    """Largest catalogue for EASE under ``auto``, in items."""
    users: float = Field(1.0, gt=0, le=1)
    """Share of the users, drawn at random, whose events are trained on."""
    half_life: float | None = Field(default=None, gt=0)
    """Events after which an item of the history counts half. null: all count alike."""
    popularity_discount: float = Field(0.3, ge=0, le=1)
    """Power of an item's training events by which its weights are divided. 0: least squares, which
    favours popular items. 1: full discount (cf. Steck 2011, "Item popularity and recommendation
    accuracy").
    """

    grid = {
        "l2": (100.0, 300.0, 1000.0),
        "half_life": (None, 32.0, 16.0, *reversed(HALF_LIVES)),
        "popularity_discount": (0.3, 0.0, 0.15, 0.5),
    }
    scores_items = True

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether it is fitted to a random sample of the users."""
        return self.users < 1

    def fit_settings(self) -> dict[str, object]:
        """See :class:`p5rec.methods.base.Method`: the weights of a history do not affect a fit."""
        queried = ("half_life", "popularity_discount")
        return {
            name: value for name, value in super().fit_settings().items() if name not in queried
        }

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        if self.users < 1:
            corpus = subsample_users(corpus, self.users, seed)
        return super().fit(corpus, folder, seed=seed, inputs=inputs)

    def learn(self, interactions: Interactions, split: Split) -> ItemToItemPredictor:
        """Fits the weights to the training events.

        Raises:
            UserError: ``weights: ease`` with more than ``max_items`` items.
        """
        few = interactions.n_items <= self.max_items
        if self.weights == "ease" or (self.weights == "auto" and few):
            ease = Ease(l2=self.l2, max_items=self.max_items)
            weights = largest(ease.learn(interactions, split).weights, self.max_neighbours)
        else:
            weights = ItemKnn(neighbours=self.max_neighbours).learn(interactions, split).similar
        train = split.mask("train")
        events = np.bincount(
            interactions.items[train], interactions.weights[train], interactions.n_items
        )
        return ItemToItemPredictor(
            weights,
            events.astype(np.float32),
            tie_order(interactions.item_keys, split.seed),
            self.half_life,
            self.popularity_discount,
            Lineage(interactions.event_keys[train]),
        )

    def plan(self, corpus: Corpus, among: PlanContext) -> Plan:
        """See :class:`p5rec.methods.base.Method`: memory for two N by N matrices of EASE."""
        n_items = len(corpus.catalog)
        by_ease = self.weights == "ease" or (self.weights == "auto" and n_items <= self.max_items)
        return Plan(self.fits, 2 * 4.0 * n_items**2 * by_ease)

    def load(self, folder: Path) -> ItemToItemPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        arrays = load_arrays(folder)
        return ItemToItemPredictor(
            sparse("weights", arrays),
            arrays["events"],
            arrays["tie"],
            self.half_life,
            self.popularity_discount,
        )


def largest(weights: np.ndarray, count: int) -> csr_array:
    """``(N, N)`` sparse: the ``count`` entries of each row of ``weights (N, N)`` with the largest
    absolute values, in the order of their columns."""
    n_items = len(weights)
    if count >= n_items:
        return csr_array(weights)
    columns = np.empty((n_items, count), dtype=np.int32)
    for row, values in enumerate(weights):  # one row at a time: no second N by N matrix
        columns[row] = np.sort(np.argpartition(np.abs(values), -count)[-count:])
    data = np.take_along_axis(weights, columns, axis=1)
    starts = np.arange(n_items + 1) * count
    pruned = csr_array((data.ravel(), columns.ravel(), starts), shape=(n_items, n_items))
    pruned.eliminate_zeros()
    return pruned
