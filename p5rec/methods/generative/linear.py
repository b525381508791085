"""The linear part of a method: fitted in closed form, cut to what a bundle can carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus
from p5rec.models.linear import FILE, Linear
from p5rec.train.config import LinearConfig, TrainConfig

from ..baselines.ease import Ease
from ..baselines.itemknn import ItemKnn


def save_fitted(
    config: LinearConfig, corpus: Corpus, learner: TrainConfig, folder: Path
) -> Lineage:
    """Fits the linear part to the training events that a method learns from, into ``folder``.

    Args:
        learner: which events those are.

    Raises:
        UserError: see :func:`fit`.
    """
    seen = learner.training_events(corpus)
    fit(config, seen).save(folder / FILE)
    return Lineage(corpus.interactions.event_keys[seen.split.mask("train")])


def fit(config: LinearConfig, corpus: Corpus) -> Linear:
    """Fits the weights to the training events.

    Raises:
        UserError: ``ease`` is asked for more items than it can take.
    """
    log, split = corpus.interactions, corpus.split
    few = log.n_items <= config.max_items
    if config.kind == "ease" or (config.kind == "auto" and few):
        ease = Ease(l2=config.l2, max_items=config.max_items)
        weights = largest(ease.learn(log, split).weights, config.kept)
    else:
        weights = ItemKnn(neighbours=config.kept).learn(log, split).similar
    events = np.bincount(log.items[split.mask("train")], minlength=log.n_items)
    discount = np.maximum(events, 1).astype(np.float32) ** -config.popularity_discount
    return Linear(csr_array(weights * discount))


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
