"""U-BERT's fine-tuning on the ratings of the target domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.data.known import item_indices
from p5rec.models.ubert import FineTuningNetwork

from ...arrays import load_arrays
from ...baselines import fitting
from .predictor import NETWORK, UbertPredictor, Words, pairs_of, shape_of
from .reviews import Reviews
from .settings import FineTuningSettings
from .training import Examples, optimizer_of, scale_of, validation_metric

INHERITED = ("reviews.", "users.")  # modules of the pre-trained network
BY_USER = ("users.embeddings.weight", "users.biases.weight")
BY_DOMAIN = "users.domains.weight"


def fit(
    method: FineTuningSettings, corpus: Corpus, folder: Path, seed: int, start: Path | None
) -> Lineage:
    """Trains on the ratings of the target domain and saves the model into ``folder``.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.
        start: the folder of a pre-trained model; None: fresh weights.

    Returns:
        All training events.

    Raises:
        UserError: there is no rating, or the pre-trained model has other sizes.
    """
    known = None if start is None else Words.read(start)
    examples = Examples.of(method, corpus, known)
    log = corpus.interactions
    rows = examples.rated(examples.is_target, method.kind)
    scale, reviews = scale_of(examples.ratings[rows]), examples.reviews(method.reviews)
    ratings = torch.from_numpy(((examples.ratings[rows] - scale[0]) / scale[1]).astype(np.float32))
    users, items = examples.users[rows], examples.items[rows]
    batch = int(np.clip(len(rows) // 10, 1, method.batch))
    with fitting.seeded(seed, method.kind):
        network = FineTuningNetwork(shape_of(method, examples.names, log.n_users, log.n_items))
        if start is not None and known is not None:
            initialise(network, start, known.domains, examples.names.domains, log.user_keys)
        copy, mean = fitting.with_average(network, method.ema_epochs * len(rows) / batch)
        predictor = UbertPredictor(
            copy, reviews, scale, log.user_keys, examples.names, lineage=examples.lineage
        )
        optimizer = optimizer_of(network, method, len(rows))
        epochs = fitting.train(
            copy,
            lambda n: fitting.updates(
                losses(network, reviews, (users, items), ratings, batch), optimizer, mean
            ),
            validation_metric(predictor, corpus),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
            metric_name="-RMSE",
        )
    replace(predictor, epochs=epochs).save(folder)
    return examples.lineage


def losses(
    network: FineTuningNetwork,
    reviews: Reviews,
    pairs: tuple[np.ndarray, np.ndarray],
    ratings: Tensor,
    batch: int,
) -> Iterator[Tensor]:
    """The loss of each batch of one epoch.

    Args:
        network: the network.
        reviews: of users and items.
        pairs: users and items ``(E,)``.
        ratings: ``(E,)`` float32, scaled.
        batch: pairs per batch.
    """
    network.train()
    for rows in torch.randperm(len(ratings)).split(batch):
        users, items = (column[rows.numpy()] for column in pairs)
        rated = network.rate(pairs_of(reviews, users, items, distinct=True))
        yield F.mse_loss(rated, ratings[rows])


@torch.no_grad()
def initialise(
    network: nn.Module,
    start: Path,
    domains: tuple[str, ...],
    own_domains: tuple[str, ...],
    user_keys: np.ndarray,
) -> None:
    """Copies the review encoder and the user encoder of a pre-trained model into ``network``.

    Args:
        network: receives the weights; users and domains that the model lacks stay unchanged.
        start: the model's folder.
        domains: of the model.
        own_domains: of ``network``.
        user_keys: ``(U,)`` of ``network``.

    Raises:
        UserError: the sizes differ.
    """
    arrays: Mapping[str, np.ndarray] = load_arrays(start)
    row_of = item_indices(user_keys.tolist(), arrays["user_keys"].tolist())
    domain_of = item_indices(own_domains, domains)
    for name, weight in network.state_dict().items():
        if not name.startswith(INHERITED):
            continue
        old = torch.from_numpy(arrays[NETWORK + name])
        source = np.arange(len(weight))
        if name in BY_USER:
            source = np.append(row_of, -1)
        elif name == BY_DOMAIN:
            source = domain_of
        elif old.shape != weight.shape:
            raise _other_size(start, name, weight, old)
        if old.shape[1:] != weight.shape[1:]:
            raise _other_size(start, name, weight, old)
        weight[source >= 0] = old[source[source >= 0]]


def _other_size(start: Path, name: str, weight: Tensor, old: Tensor) -> Exception:
    return input_error(
        start, f"a pre-trained U-BERT of the same sizes ({name} {tuple(weight.shape)})",
        f"{tuple(old.shape)}", "give both the same settings",
    )  # fmt: skip
