"""U-BERT's pre-training on the domain that is rich in reviews. E events, T words, O opinions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import by_key
from p5rec.core.types import Corpus
from p5rec.models.ubert import MASK, PretrainingNetwork

from ...baselines import fitting
from .lexicon import opinion_words
from .predictor import UbertPredictor, shape_of
from .reviews import FIRST
from .settings import PretrainingSettings
from .training import Examples, optimizer_of, scale_of, validation_metric


def fit(method: PretrainingSettings, corpus: Corpus, folder: Path, seed: int) -> Lineage:
    """Trains on the source domain and saves the model into ``folder``.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.

    Returns:
        All training events.
    """
    examples = Examples.of(method, corpus)
    log, source = corpus.interactions, ~examples.is_target
    rows = examples.rated(source if source.any() else ~source, method.kind)
    users, ratings = examples.users, examples.ratings
    known = np.isfinite(ratings) & examples.words.any(axis=1)
    opinions = opinion_words(
        np.where(examples.words >= FIRST, examples.words, 0)[known],
        users[known], examples.domains[known], ratings[known], method.opinion_words,
    )  # fmt: skip
    if method.permute_users:
        users = permuted(users, log.user_keys, seed)
    scale = scale_of(ratings[rows])
    columns = users, examples.domains, examples.words, (ratings - scale[0]) / scale[1]
    data = [torch.from_numpy(column[rows]) for column in columns]
    batch = int(np.clip(len(rows) // 10, 1, method.batch))
    with fitting.seeded(seed, method.kind):
        shape = shape_of(method, examples.names, log.n_users, log.n_items)
        network = PretrainingNetwork(shape, torch.from_numpy(opinions))
        copy, mean = fitting.with_average(network, method.ema_epochs * len(rows) / batch)
        own = examples.reviews(method.reviews), scale, log.user_keys, examples.names
        predictor = UbertPredictor(copy, *own, lineage=examples.lineage)
        optimizer = optimizer_of(network, method, len(rows))
        epochs = fitting.train(
            copy,
            lambda n: fitting.updates(losses(network, method, data, batch), optimizer, mean),
            validation_metric(predictor, corpus),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
            metric_name="-RMSE",
        )
    replace(predictor, epochs=epochs).save(folder)
    return examples.lineage


def permuted(users: np.ndarray, user_keys: np.ndarray, seed: int) -> np.ndarray:
    """``(E,)``: each user of ``users (E,)`` becomes the next in a seeded order of those there.

    No user keeps its events if there are two or more.
    """
    here = np.unique(users)
    order = here[by_key(user_keys[here], seed, "permute users")]
    following = np.arange(len(user_keys), dtype=users.dtype)
    following[order] = np.roll(order, -1)
    return following[users]


def losses(
    network: PretrainingNetwork, method: PretrainingSettings, data: list[Tensor], batch: int
) -> Iterator[Tensor]:
    """The loss of each batch of one epoch.

    Args:
        network: the network.
        method: the share of masked words and the balance of the two tasks.
        data: users, domains ``(E,)``, words ``(E, T)`` and scaled ratings ``(E,)``.
        batch: events per batch.
    """
    network.train()
    number = torch.full((network.reviews.words.num_embeddings,), -1)
    number[network.opinions] = torch.arange(len(network.opinions))
    for rows in torch.randperm(len(data[0])).split(batch):
        users, domains, words, ratings = (column[rows] for column in data)
        masked = (number[words] >= 0) & (torch.rand(words.shape) < method.mask)
        rated, logits = network(users, domains, words.masked_fill(masked, MASK), masked)
        loss = (1 - method.balance) * F.mse_loss(rated, ratings.float())
        if len(logits):
            loss = loss + method.balance * F.cross_entropy(logits, number[words[masked]])
        yield loss
