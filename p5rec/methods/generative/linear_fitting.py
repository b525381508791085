"""The weights of a linear part: fitted in closed form, cut to what a folder can carry.

B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.models.linear import FILE, FLOOR, Linear

from ..arrays import load_arrays, save_arrays
from ..baselines.dense import DenseScorer
from ..baselines.ease import Ease
from ..baselines.itemknn import ItemKnn
from .config import LinearConfig


@dataclass(frozen=True, eq=False)
class LinearPredictor(DenseScorer):
    """Ranks by the linear part alone; an item that no other names scores as the least named one.

    Attributes:
        linear: the weights.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    linear: Linear
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`..baselines.dense.DenseScorer`."""
        return np.nan_to_num(self.linear.logs(histories), nan=np.log(np.float32(FLOOR)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        self.linear.save(folder / FILE)
        save_arrays(folder, {"tie": self.tie})


def load(folder: Path) -> LinearPredictor:
    """What :meth:`LinearPredictor.save` wrote."""
    tie = load_arrays(folder)["tie"]
    return LinearPredictor(Linear.load(folder / FILE, len(tie)), tie)


def fit(config: LinearConfig, log: Interactions, split: Split) -> LinearPredictor:
    """Fits the weights to the training events.

    Raises:
        UserError: ``ease`` is asked for more items than it can take.
    """
    few = log.n_items <= config.max_items
    if config.kind == "ease" or (config.kind == "auto" and few):
        ease = Ease(l2=config.l2, max_items=config.max_items)
        weights = largest(ease.learn(log, split).weights, config.kept)
    else:
        weights = ItemKnn(neighbours=config.kept).learn(log, split).similar
    train = split.mask("train")
    events = np.bincount(log.items[train], log.weights[train], minlength=log.n_items)
    discount = np.maximum(events, 1).astype(np.float32) ** -config.popularity_discount
    linear = Linear(csr_array(weights * discount))
    tie = tie_order(log.item_keys, split.seed)
    return LinearPredictor(linear, tie, Lineage(log.event_keys[train]))


def largest(weights: np.ndarray, kept: int) -> csr_array:
    """``(N, N)`` sparse: the ``kept`` entries of each row of ``weights (N, N)`` that are furthest
    from 0, in the order of their columns."""
    n_items = len(weights)
    if kept >= n_items:
        return csr_array(weights)
    columns = np.empty((n_items, kept), dtype=np.int32)
    for row, values in enumerate(weights):  # one row at a time: no second matrix of N by N
        columns[row] = np.sort(np.argpartition(np.abs(values), -kept)[-kept:])
    data = np.take_along_axis(weights, columns, axis=1)
    starts = np.arange(n_items + 1) * kept
    found = csr_array((data.ravel(), columns.ravel(), starts), shape=(n_items, n_items))
    found.eliminate_zeros()
    return found
