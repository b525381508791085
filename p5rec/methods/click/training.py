"""Training of click models: log loss on the training instances, early stopping by validation AUC.

B instances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from p5rec.backbones.precision import computing, fast_dtype
from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus
from p5rec.metrics.area import auc
from p5rec.models.click.model import ClickModel

from ..baselines import fitting
from ..needs import Inputs
from .encoding import Encoded, Encoder
from .features import DataFields, UserIndex, fields_of
from .instances import training_instances, validation_instances
from .predictor import ClickPredictor, MakeAdapters, click_model, no_adapters
from .settings import ClickSettings
from .vectors import check_targets, read_vectors


@dataclass(frozen=True)
class FurtherLoss:
    """A loss that is added to the log loss of each step.

    Attributes:
        groups: learning rate, and the weights that it trains with it besides those of the model.
        value: returns the loss of one step.
    """

    groups: Sequence[tuple[float, list[nn.Parameter]]]
    value: Callable[[], Tensor]


# (model, B instances, (B,) keys of their events) → trains the model; may return a further loss
Pretrain = Callable[[ClickModel, Encoded, np.ndarray], FurtherLoss | None]


def fit(
    method: ClickSettings,
    corpus: Corpus,
    seed: int,
    inputs: Inputs,
    adapters: MakeAdapters = no_adapters,
    pretrain: Pretrain | None = None,
    encoder_of: Callable[[DataFields], Encoder] | None = None,
) -> ClickPredictor:
    """Trains ``method`` on the training instances.

    Args:
        method: the settings.
        corpus: the data.
        seed: of all random draws.
        inputs: the semantic ids, and the stores of the side vectors.
        adapters: makes those of the side vectors.
        pretrain: trains the model before it is trained on labels.
        encoder_of: makes the encoder of requests; None: a plain one.

    Raises:
        UserError: the training instances have one label only, or texts about users show them.
    """
    log = corpus.interactions
    stores = read_vectors(method.vectors, inputs)
    fields = fields_of(
        corpus,
        stores,
        method.item_values(corpus, seed, inputs),
        method.attributes,
    )
    if encoder_of is None:
        encoder = Encoder(fields, UserIndex(log.user_keys), method.events_read)
    else:
        encoder = encoder_of(fields)
    instances = training_instances(corpus, seed, encoder.latest)
    check_targets(stores, log.event_keys[instances.events])
    encoded = encoder.encode(instances.histories, instances.items)
    labels = torch.from_numpy(instances.labels.astype(np.float32))
    batch = int(np.clip(len(labels) // 10, 1, method.batch))
    with fitting.seeded(seed, method.kind):
        model = click_model(method, encoder.fields, adapters)
        model.bias.data.fill_(labels.mean().logit())
        keys = log.event_keys[instances.events]
        further = None if pretrain is None else pretrain(model, encoded, keys)
        copy, mean = fitting.with_average(model, method.ema_epochs * len(labels) / batch)
        fitted = ClickPredictor(
            copy,
            encoder,
            tie_order(log.item_keys, seed),
            lineage=Lineage(log.event_keys[corpus.split.mask("train")]),
        )
        penalties = method.weight_penalty / len(labels), method.l2 / len(labels)
        optimizer = optimizer_of(model, method.learning_rate, penalties)
        if further is not None:
            for rate, weights in further.groups:
                optimizer.add_param_group({"params": weights, "lr": rate, "weight_decay": 0.0})

        def one_epoch(n: int) -> float:
            each = losses(model, encoded, labels, batch, method.field_dropout)
            if further is not None:
                each = (loss + further.value() for loss in each)
            return fitting.updates(each, optimizer, mean)

        epochs = fitting.train(
            copy,
            one_epoch,
            validation_auc(fitted, corpus, seed),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
            metric_name="AUC",
        )
    return replace(fitted, epochs=epochs)


def losses(
    model: ClickModel, encoded: Encoded, labels: Tensor, batch: int, field_dropout: float
) -> Iterator[Tensor]:
    """The loss of each batch of one epoch.

    Args:
        model: the network.
        encoded: B instances.
        labels: ``(B,)`` float32, 0 or 1.
        batch: instances per batch.
        field_dropout: share of the fields that are replaced by unknown values.
    """
    model.train()
    dtype = fast_dtype(torch.device("cpu"))
    for rows in torch.randperm(len(labels)).split(batch):
        with computing(dtype):
            logits = model(encoded.take(rows), field_dropout)
        yield F.binary_cross_entropy_with_logits(logits, labels[rows])


def optimizer_of(
    model: ClickModel, learning_rate: float, penalties: tuple[float, float]
) -> torch.optim.Optimizer:
    """Adam over all weights of ``model``.

    Args:
        model: the network.
        learning_rate: of all weights.
        penalties: factors of the squared first-order weights and of the squared embeddings, which
            add to the loss.
    """
    own = [] if model.fields.weights is None else [*model.fields.weights.parameters()]
    adapters = [] if model.fields.adapters is None else [*model.fields.adapters.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": own, "weight_decay": 2 * penalties[0]},
        {"params": [*model.fields.embeddings.parameters()], "weight_decay": 2 * penalties[1]},
        {"params": [*model.interaction.parameters(), model.bias, *adapters]},
    ]
    return torch.optim.Adam(groups, lr=learning_rate, fused=True)


def validation_auc(
    predictor: ClickPredictor, corpus: Corpus, seed: int
) -> Callable[[], float] | None:
    """The AUC of validation instances; None: they lack one of the labels."""
    instances = validation_instances(corpus, seed, predictor.encoder.latest)
    if instances is None:
        return None
    positive = instances.labels > 0
    histories, items = instances.histories, instances.items
    return lambda: float(auc(predictor.predict_click(histories, items), positive)[0])
