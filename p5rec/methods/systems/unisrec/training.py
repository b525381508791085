"""The training of a UniSRec network, shared by pre-training and tuning.

R windows, T events, P targets, C distinct items, N items, d width of the text vectors, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Interactions, Split
from p5rec.data.train_events import training_counts
from p5rec.data.vector_store import VectorStore
from p5rec.models.unisrec import Unisrec as Network

from ...baselines import fitting
from ...baselines.sequences import TrainingWindows, WindowBatch
from .predictor import About, UnisrecPredictor, new_network
from .settings import UnisrecSettings


class Encoded(NamedTuple):
    """A batch as the network reads it.

    Attributes:
        items: ``(C,)`` the distinct items of the batch, ascending.
        vectors: ``(C, D)`` their vectors.
        at: ``(R, T)`` the row of each event's item in ``items``.
        states: ``(P, D)`` the state that predicts each target.
        targets: ``(P,)`` the row of each target in ``items``.
    """

    items: Tensor
    vectors: Tensor
    at: Tensor
    states: Tensor
    targets: Tensor


def encode(
    network: Network, texts: Tensor, batch: WindowBatch, also: Tensor | None = None
) -> Encoded:
    """Encodes a batch.

    Args:
        network: the network.
        texts: ``(N, d)`` of all items.
        batch: the windows.
        also: further items whose vectors are wanted; None: none.
    """
    read = batch.items.flatten()
    wanted = read if also is None else torch.cat([read, also])
    items, at = wanted.unique(return_inverse=True)
    at = at[: len(read)].view_as(batch.items)
    vectors = network.item_vectors(texts[items], items)
    states = network.sequence.encode(vectors[at[:, :-1]], batch.done[:, :-1])
    targets = at[batch.row, batch.column]
    return Encoded(items, vectors, at, states[batch.row, batch.after], targets)


def untrained(
    method: UnisrecSettings,
    data: tuple[Interactions, Split],
    store: VectorStore,
    windows: TrainingWindows,
    embedded: int,
) -> UnisrecPredictor:
    """A predictor with random weights, to be trained.

    Args:
        method: the settings.
        data: the log and its split.
        store: the vectors of the items' texts.
        windows: the training histories.
        embedded: the number of items with embeddings of their own.

    Raises:
        UserError: no item has a vector.
    """
    log, split = data
    about = About(store.about.encoder, store.about.layer, windows.behaviours)
    return UnisrecPredictor(
        new_network(method, store.width, about, embedded),
        store.rows(log.item_keys),
        training_counts(log, split).astype(np.float32),
        tie_order(log.item_keys, split.seed),
        method,
        about,
        lineage=Lineage(log.event_keys[split.mask("train")]),
    )


def train(
    start: UnisrecPredictor,
    loss: Callable[[WindowBatch], Tensor],
    windows: TrainingWindows,
    log: Interactions,
    split: Split,
) -> UnisrecPredictor:
    """Trains the weights that require gradients.

    Args:
        start: the predictor before training; its network changes.
        loss: of a batch.
        windows: the training histories.
        log, split: the data whose validation events stop the training.

    Returns:
        The predictor with averaged weights.
    """
    network, method = start.network, start.method
    copy, mean = fitting.with_average(network, method.ema_epochs * windows.steps)
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=method.learning_rate, fused=True)
    epochs = fitting.train(
        copy,
        lambda n: fitting.updates(map(loss, windows.batches(n)), optimizer, mean),
        fitting.validation_metric(partial(replace, start, network=copy), log, split),
        epochs=method.epochs,
        patience=method.patience,
        name=method.kind,
    )
    return replace(start, network=copy, epochs=epochs)
