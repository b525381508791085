"""Tuning on one domain: the next item by a softmax over the catalogue.

With a pre-trained model, the encoder of sequences is frozen; the adaptor is trained, and in the
transductive setting the embeddings of the items.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.backbones.precision import fast_dtype
from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.data.train_events import subsample_users
from p5rec.data.vector_store import VectorStore
from p5rec.models.catalogue import catalogue_loss, sample_items
from p5rec.models.unisrec import Unisrec as Network

from ...arrays import load_arrays
from ...baselines import fitting
from ...baselines.sequences import TrainingWindows, WindowBatch
from ...needs import Inputs
from .predictor import OWN, About, read_about, weights_of
from .settings import TuningSettings
from .training import encode, train, untrained


def fit(method: TuningSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs) -> Lineage:
    """Trains on the training events of a share of the users, and saves the model.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.
        inputs: the vectors of the texts, and the pre-trained model, if any.
    """
    log, split = corpus.interactions, replace(corpus.split, seed=seed)
    used = replace(subsample_users(corpus, method.users, seed).split, seed=seed)
    store, n_items = VectorStore.read(inputs["vectors"]), log.n_items
    windows = TrainingWindows(log, used, method.window, method.batch, seed)
    dtype = fast_dtype(torch.device("cpu"))
    with fitting.seeded(seed, method.kind):
        embedded = n_items if method.setting == "transductive" else 0
        start = untrained(method, (log, used), store, windows, embedded)
        network, texts = start.network, torch.from_numpy(start.texts)
        if "pretrained" in inputs:
            initialise(inputs["pretrained"], network, start.about)
            freeze(network)

        def loss(batch: WindowBatch) -> Tensor:
            sampled = sample_items(n_items, method.negatives, texts.device)
            every = torch.arange(n_items) if sampled is None else sampled
            encoded = encode(network, texts, batch, every)
            vectors = F.normalize(encoded.vectors, dim=-1)
            table = vectors.new_zeros(n_items, vectors.shape[1])
            table = table.index_copy(0, encoded.items, vectors)
            states, targets = encoded.states / method.temperature, encoded.items[encoded.targets]
            return catalogue_loss(states, table, targets, sampled, dtype)

        trained = train(start, loss, windows, log, split)
    trained.save(folder)
    assert trained.lineage is not None
    return trained.lineage


def freeze(network: Network) -> None:
    """Freezes the encoder of sequences; embeddings of items stay trainable."""
    for weight in network.sequence.parameters():
        weight.requires_grad_(weight is network.sequence.items.weight)


def initialise(folder: Path, network: Network, about: About) -> None:
    """Copies the pre-trained weights in ``folder`` into ``network``.

    Embeddings of items are not copied: they belong to another catalogue.

    Raises:
        UserError: the sizes, the text encoders or the behaviours differ.
    """
    known = read_about(folder)
    for what, own, other in (
        ("text encoder", (about.encoder, about.layer), (known.encoder, known.layer)),
        ("behaviours", about.behaviours, known.behaviours),
    ):
        if own != other:
            raise input_error(
                folder, f"a model with the {what} of this data, {_words(own)}", _words(other),
                "pre-train it on such data",
            )  # fmt: skip
    weights, state = weights_of(load_arrays(folder)), network.state_dict()
    for name in state.keys() - {OWN}:
        if name not in weights or weights[name].shape != state[name].shape:
            got = tuple(weights[name].shape) if name in weights else "no such weight"
            raise input_error(
                folder, f"a UniSRec of the same sizes ({name} {tuple(state[name].shape)})",
                f"{got}", "give both the same settings",
            )  # fmt: skip
        with torch.no_grad():
            state[name].copy_(weights[name])


def _words(values: tuple[object, ...]) -> str:
    return ", ".join(str(value) for value in values if value is not None) or "none"
