"""Retrieval: vectors of users and items by two projections.

R rows, B requests, N items, d width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import sampled, tie_order
from p5rec.core.types import Corpus, Histories
from p5rec.data.earlier_events import EarlierEvents
from p5rec.models.contrastive import sequence_item_loss

from ...baselines import fitting
from ...baselines.iterative import EPOCHS
from ...baselines.scorer import ItemScorer
from ...needs import Inputs
from .reading import SegmentReader, Sequences, load_reader
from .scoring import segments_of
from .settings import RetrievalSettings
from .training import batches, optimizer_of, untrained

USERS, ITEMS = "users_projection", "items_projection"


class Towers(nn.Module):
    """The model and the projections of users and items.

    Args:
        reader: of the model.
        width: d.
    """

    def __init__(self, reader: SegmentReader, width: int) -> None:
        super().__init__()
        self.model = reader.model
        inner = reader.segments.width
        self.users, self.items = (nn.Linear(inner, width, bias=False) for _ in range(2))


@dataclass(frozen=True, eq=False)
class RetrievalPredictor(ItemScorer):
    """Ranks by the cosine of the vectors of user and item.

    Attributes:
        reader: the model and its segments.
        towers: the model and the projections.
        tie: ``(N,)`` tie order.
        epochs: the length of the training.
        lineage: the training events.
    """

    reader: SegmentReader
    towers: Towers
    tie: np.ndarray
    epochs: int = 0
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.baselines.scorer.ItemScorer`."""
        own = self.reader.ends(user_sequences(self.reader, histories))
        return fitting.products(_vectors(self.towers.users, own), self._vectors)

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`; every item has a text."""
        return self._vectors

    @cached_property
    def _vectors(self) -> np.ndarray:
        items = item_sequences(self.reader, np.arange(len(self.tie)))
        return _vectors(self.towers.items, self.reader.ends(items))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        projections = {USERS: self.towers.users.weight, ITEMS: self.towers.items.weight}
        arrays = {name: each.detach().numpy() for name, each in projections.items()}
        epochs = {EPOCHS: np.array([self.epochs])}
        self.reader.save(folder, tie=self.tie, **arrays, **epochs)


def load(method: RetrievalSettings, folder: Path) -> RetrievalPredictor:
    """The predictor that :meth:`RetrievalPredictor.save` wrote."""
    reader, arrays = load_reader(method, folder)
    towers = Towers(reader, method.width).requires_grad_(False)
    for projection, name in ((towers.users, USERS), (towers.items, ITEMS)):
        projection.weight.copy_(torch.from_numpy(arrays[name]))
    return RetrievalPredictor(reader, towers, arrays["tie"], int(arrays[EPOCHS][0]))


def fit(
    method: RetrievalSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs
) -> Lineage:
    """Trains on training events, each the item that the user takes next, and saves the model.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.
        inputs: the segments.
    """
    log, split = corpus.interactions, replace(corpus.split, seed=seed)
    segments = segments_of(method, corpus, seed, inputs)
    events = np.flatnonzero(split.mask("train") & log.is_target)
    events = events[sampled(log.event_keys[events], method.rows, seed, "retrieved rows")]
    histories = EarlierEvents(log, split).histories(events, most=method.history)
    with fitting.seeded(seed, method.kind):
        own = untrained(method, segments, seed)
        towers = Towers(own, method.width)
        steps = -(-len(events) // method.batch)
        copy, mean = fitting.with_average(towers, method.ema_epochs * steps)
        averaged = replace(own, model=copy.model)
        lineage = Lineage(log.event_keys[split.mask("train")])
        tie = tie_order(log.item_keys, seed)

        def now() -> RetrievalPredictor:
            return RetrievalPredictor(averaged, copy, tie, lineage=lineage)

        losses = partial(_losses, own, towers, user_sequences(own, histories), log.items[events])
        optimizer = optimizer_of(method, towers)
        epochs = fitting.train(
            copy,
            lambda _: fitting.updates(losses(), optimizer, mean),
            fitting.validation_metric(now, log, split),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
        )
        replace(now(), epochs=epochs).save(folder)
    return lineage


def user_sequences(reader: SegmentReader, histories: Histories) -> Sequences:
    """The sequences of B requests, which the end token ends."""
    return reader.sequences(histories, np.full(len(histories), reader.segments.end))


def item_sequences(reader: SegmentReader, items: np.ndarray) -> Sequences:
    """The sequences of ``items (n,)`` on their own."""
    segments = reader.segments
    return Sequences(segments.states, segments.items[items], np.arange(len(items) + 1))


def _losses(
    reader: SegmentReader, towers: Towers, users: Sequences, items: np.ndarray
) -> Iterator[Tensor]:
    """InfoNCE of each step of one epoch; rows with the same item are no negatives of each other."""
    method = reader.method
    assert isinstance(method, RetrievalSettings)
    towers.train()
    for rows in batches(users.lengths, method.batch):
        distinct, targets = np.unique(items[rows], return_inverse=True)
        states = _unit(towers.users, reader.hidden(users.take(rows)))
        vectors = _unit(towers.items, reader.hidden(item_sequences(reader, distinct)))
        yield sequence_item_loss(states, vectors, torch.from_numpy(targets), method.temperature)


def _unit(projection: nn.Linear, hidden: Tensor) -> Tensor:
    """``(n, d)`` projections of norm 1 of the states ``(n, D)``."""
    return F.normalize(projection(hidden), dim=-1)


def _vectors(projection: nn.Linear, hidden: Tensor) -> np.ndarray:
    """``(n, d)`` float32, those of :func:`_unit`, each independent of the others."""
    vectors = fitting.products(hidden.numpy(), projection.weight.detach().numpy())
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
