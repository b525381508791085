"""Contrastive pre-training on the histories of several domains.

DEVIATION: every event of a history is predicted from the events before it, as in SASRec; the paper
predicts the last event of each prefix of a history.

R windows, T events, C distinct items, N items, d width of the text vectors, D width.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus
from p5rec.data.vector_store import VectorStore
from p5rec.models.contrastive import sequence_item_loss, sequence_sequence_loss
from p5rec.models.unisrec import Unisrec as Network

from ...baselines import fitting
from ...baselines.sequences import TrainingWindows, WindowBatch
from ...needs import Inputs
from .settings import PretrainingSettings
from .training import Encoded, encode, train, untrained


def fit(
    method: PretrainingSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs
) -> Lineage:
    """Pre-trains on the training events of all domains, and saves the model.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.
        inputs: the vectors of the texts, and those without some words, if any.
    """
    log, split = corpus.interactions, replace(corpus.split, seed=seed)
    store, dropped = VectorStore.read(inputs["vectors"]), None
    if "dropped" in inputs:
        dropped = torch.from_numpy(VectorStore.read(inputs["dropped"]).rows(log.item_keys))
    windows = TrainingWindows(log, split, method.window, method.batch, seed)
    with fitting.seeded(seed, method.kind):
        start = untrained(method, (log, split), store, windows, 0)
        network, texts = start.network, torch.from_numpy(start.texts)

        def loss(batch: WindowBatch) -> Tensor:
            encoded = encode(network, texts, batch)
            vectors = F.normalize(encoded.vectors, dim=-1)
            first = sequence_item_loss(encoded.states, vectors, encoded.targets, method.temperature)
            if not method.sequence_weight:
                return first
            second = _sequence_loss(network, method, batch, encoded, dropped)
            return first + method.sequence_weight * second

        trained = train(start, loss, windows, log, split)
    trained.save(folder)
    assert trained.lineage is not None
    return trained.lineage


def _sequence_loss(
    network: Network,
    method: PretrainingSettings,
    batch: WindowBatch,
    encoded: Encoded,
    dropped: Tensor | None,
) -> Tensor:
    """The sequence-sequence loss: each window's history before its last target, in two views."""
    rows, counts = batch.row.unique_consecutive(return_counts=True)
    last = counts.cumsum(0) - 1  # the last target of each window
    ends = batch.after[last]
    at, done = encoded.at[rows], batch.done[rows]
    chosen = torch.rand(at.shape) < method.item_drop
    vectors = encoded.vectors[at]
    if dropped is not None and torch.rand(()) < method.word_views:
        other = network.item_vectors(dropped[encoded.items], encoded.items)
        vectors = torch.where(chosen[..., None], other[at], vectors)
    else:
        order, ends = drop_items(chosen, ends)
        vectors = vectors.gather(1, order[..., None].expand_as(vectors))
        done = done.gather(1, order)
    window = network.sequence.positions.num_embeddings
    states = network.sequence.encode(vectors[:, :window], done[:, :window])
    views = states[torch.arange(len(rows)), ends]
    return sequence_sequence_loss(
        encoded.states[last], views, encoded.targets[last], method.temperature
    )


def drop_items(chosen: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Drops events from histories.

    Args:
        chosen: ``(R, T)`` bool, the events to drop; the first one stays.
        ends: ``(R,)`` the column of each history's last event.

    Returns:
        ``(R, T)`` the columns of the events that stay, in order, then others; ``(R,)`` the position
        of the last one that stays.
    """
    columns = torch.arange(chosen.shape[1])
    stays = (~chosen | (columns == 0)) & (columns <= ends[:, None])
    order = (~stays).to(torch.int8).argsort(dim=1, stable=True)
    return order, stays.sum(1) - 1
