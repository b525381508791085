"""SASRec as a baseline: every event of a training history is asked for after those before it.

The network is ``p5rec.models.sasrec`` (Kang & McAuley 2018), the loss a softmax over the catalogue,
or over items drawn for a step, in place of the paper's one negative (Klenitskiy & Vasilev 2023,
arXiv:2309.07602).

E training events, R windows, B requests, T events, P positions, N items, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, RankedLists, Split
from p5rec.models.catalogue import catalogue_loss, draw, quick
from p5rec.models.sasrec import Sasrec, SasrecShape

from ..ranking import rank_all
from . import fitting
from .registry import Baseline
from .sequences import TrainingWindows, rectangles

WARMUP = 100  # steps until the learning rate is whole


class SasrecConfig(Config):
    """The network and its training.

    Attributes:
        width, layers, heads, window, dropout: see ``p5rec.models.sasrec.SasrecShape``.
        temperature: cosines are divided by it before the softmax.
        negatives: items drawn for each step; a catalogue of up to twice as many is asked for whole.
        learning_rate: of Adam.
        batch: the most positions of a step; smaller logs take smaller steps, 10 a pass or more.
        averaged: the weights that are kept are the mean of those of about so many passes.
        epochs: passes over the training events, at most.
        patience: training ends when the mean validation NDCG@10 of so many passes is not above
            that of as many before.
    """

    width: int = Field(default=64, ge=2)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=2, ge=1)
    window: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    temperature: float = Field(default=0.1, ge=0.05)
    negatives: int = Field(default=1024, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    batch: int = Field(default=2048, ge=1)
    averaged: float = Field(default=8, ge=0)
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=8, ge=1)


@dataclass(frozen=True, eq=False)
class SasrecRecommender:
    """Ranks by the cosine with the state after the last event.

    A request without a history gets the most popular items.

    Attributes:
        network: trained.
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        config: how it was fitted.
        lineage: the training events.
    """

    network: Sasrec
    counts: np.ndarray
    tie: np.ndarray
    config: SasrecConfig
    lineage: Lineage

    name = "sasrec"

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        """See :class:`p5rec.recommend.protocols.Recommender`."""
        return rank_all(self._score, histories, k, self.tie, exclude_seen=exclude_seen)

    @torch.no_grad()
    def _score(self, histories: Histories) -> np.ndarray:
        read = histories.tail(self.config.window)
        states = np.zeros((len(read), self.config.width), dtype=np.float32)
        for rows, items, last in rectangles(read, self.config.window):
            found = self.network(torch.from_numpy(items))
            states[rows] = found[np.arange(len(rows)), last[: len(rows)]].numpy()
        scores = fitting.products(states, self.network.vectors().numpy())
        scores[histories.lengths == 0] = self.counts
        return scores


def fit(interactions: Interactions, split: Split, config: SasrecConfig) -> SasrecRecommender:
    """Trains on every event of the training histories but the first."""
    train, n_items = split.mask("train"), interactions.n_items
    windows = TrainingWindows(interactions, train, config.window, config.batch, split.seed)
    with fitting.drawn_under(split.seed, "sasrec"):
        network = Sasrec(
            SasrecShape(
                n_items, config.width, config.layers, config.heads, config.window, config.dropout
            )
        )
        copy, mean = fitting.averaged(network, config.averaged * windows.steps)
        counts = np.bincount(interactions.items[train], minlength=n_items).astype(np.float32)
        fitted = SasrecRecommender(
            copy,
            counts,
            tie_order(interactions.item_keys, split.seed),
            config,
            Lineage(interactions.event_keys[train]),
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
        dtype = quick(torch.device("cpu"))

        def losses(n: int) -> Iterator[Tensor]:
            for items, real in windows.batches(n):
                states = network(items[:, :-1])[real] / config.temperature
                drawn = draw(n_items, config.negatives, states.device)
                targets = items[:, 1:][real]
                yield catalogue_loss(states, network.vectors(), targets, drawn, dtype)
                warm.step()

        fitting.train(
            copy,
            lambda n: fitting.updates(losses(n), optimizer, mean),
            fitting.on_validation(fitted, interactions, split),
            epochs=config.epochs,
            patience=config.patience,
            name="sasrec",
        )
    return fitted


SASREC = Baseline(
    fit,
    SasrecConfig(),
    tuple(SasrecConfig(dropout=dropout) for dropout in (0.2, 0.4)),
    drawn=True,
)
