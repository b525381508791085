"""The two stages of CTRL: alignment of the click model with a text encoder, then training on
clicks. R rows, B rows of a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.checkpoint import checkpoint

from p5rec.backbones.precision import computing, fast_dtype
from p5rec.backbones.split_encoder import TokenStates, TopBlocks, open_text_model
from p5rec.core.rng import others
from p5rec.core.types import Corpus
from p5rec.models.alignment import Alignment
from p5rec.models.click.model import ClickModel

from ...baselines import fitting
from ...click import training as clicks
from ...click.encoding import Encoded
from ...click.predictor import ClickPredictor
from ...needs import Inputs
from .method import ROWS, AlignmentSettings, Ctrl
from .rows import read_rows

CHUNK = 64  # texts whose activations are in memory at a time


def fit(method: Ctrl, corpus: Corpus, seed: int, inputs: Inputs) -> ClickPredictor:
    """Aligns the click model and trains it on clicks.

    Args:
        method: the settings.
        corpus: the data.
        seed: of all random draws.
        inputs: the stored hidden states, and the inputs of the click model.

    Raises:
        UserError: see :func:`p5rec.methods.click.training.fit`.
    """
    keys, states = read_rows(inputs[ROWS])
    pretrain = partial(_pretrain, method, seed, keys, states)
    return clicks.fit(method.base, corpus, seed, inputs, pretrain=pretrain)


@dataclass(frozen=True, eq=False)
class AlignedRows:
    """R rows in two forms.

    Attributes:
        instances: all training instances.
        rows: ``(R,)`` int64, the instance of each row.
        states: of the texts.
        texts: ``(R,)`` int64, the text of each row.
    """

    instances: Encoded
    rows: np.ndarray
    states: TokenStates
    texts: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def aligned_rows(
    instances: Encoded, event_keys: np.ndarray, keys: np.ndarray, states: TokenStates
) -> AlignedRows:
    """The rows with stored states among all training instances.

    Args:
        instances: N of them.
        event_keys: ``(N,)`` the keys of their events.
        keys: ``(R,)`` the keys of the rows' events.
        states: of the rows' texts.
    """
    distinct, first = np.unique(event_keys, return_index=True)
    rows = first[np.searchsorted(distinct, keys)]
    return AlignedRows(instances, rows, states, np.arange(len(keys)))


def permuted(keys: np.ndarray, seed: int) -> np.ndarray:
    """``(R,)`` int64: for each row the index of another, drawn by the ``keys (R,)``."""
    return others(keys, seed, "permuted texts")


class Aligner(torch.nn.Module):
    """Both models and their projections.

    Args:
        model: the click model.
        text: the trained blocks of the encoder.
        settings: of the alignment.
        field_dropout: share of the fields that are replaced by unknown values.
        tabular: width of the click model's representation.
    """

    def __init__(
        self,
        model: ClickModel,
        text: TopBlocks,
        settings: AlignmentSettings,
        field_dropout: float,
        tabular: int,
    ) -> None:
        super().__init__()
        self.model, self.text, self.field_dropout = model, text, field_dropout
        self.alignment = Alignment(
            tabular,
            text.width,
            width=settings.width,
            subspaces=settings.subspaces if settings.similarity == "max" else 0,
            temperature=settings.temperature,
        )

    def loss(self, data: AlignedRows, chosen: np.ndarray) -> Tensor:
        """The loss ``()`` of the rows ``chosen (B,)``."""
        batch = data.instances.take(torch.from_numpy(data.rows[chosen]))
        tabular = self.model.represent(batch, self.field_dropout)
        dtype = fast_dtype(torch.device("cpu"))
        with computing(dtype):
            text = self.represent(data.states, data.texts[chosen])
        loss: Tensor = self.alignment(tabular, text.float())
        return loss

    def represent(self, states: TokenStates, texts: np.ndarray) -> Tensor:
        """``(B, D)`` the representations of ``texts (B,)``.

        The activations of a chunk are computed again when its gradient is: a batch may be large.
        """
        order = np.argsort(states.lengths[texts], kind="stable")
        parts = [
            checkpoint(self.text, *states.take(texts[chunk]), use_reentrant=False)
            for chunk in np.split(order, range(CHUNK, len(order), CHUNK))
        ]
        return torch.cat(parts)[torch.from_numpy(np.argsort(order, kind="stable"))]


def _pretrain(
    method: Ctrl,
    seed: int,
    keys: np.ndarray,
    states: TokenStates,
    model: ClickModel,
    instances: Encoded,
    event_keys: np.ndarray,
) -> clicks.FurtherLoss | None:
    """Aligns ``model``; with ``joint``, returns the loss of the alignment instead."""
    settings, texts = method.alignment, method.texts
    data = aligned_rows(instances, event_keys, keys, states)
    if settings.permuted:
        data = AlignedRows(data.instances, data.rows, data.states, permuted(keys, seed))
    _, encoder = open_text_model(texts.encoder, random=texts.random, seed=seed)
    top = TopBlocks(encoder, texts.trained_layers).eval()  # without dropout
    width = _representation_width(model, instances)
    aligner = Aligner(model, top, settings, method.base.field_dropout, width)
    if settings.joint:
        groups = [
            (settings.learning_rate, [*aligner.alignment.parameters()]),
            (settings.text_learning_rate, [*top.parameters()]),
        ]
        loss = partial(_random_loss, aligner, data, min(settings.batch, len(data)))
        return clicks.FurtherLoss(groups, loss)
    align(aligner, data, settings)
    return None


def align(aligner: Aligner, data: AlignedRows, settings: AlignmentSettings) -> None:
    """The first stage: trains ``aligner`` on the rows of ``data``."""
    text = [*aligner.text.parameters()]
    rest = [*aligner.model.parameters(), *aligner.alignment.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": rest, "lr": settings.learning_rate},
            {"params": text, "lr": settings.text_learning_rate},
        ]
    )
    steps = settings.epochs * -(-len(data) // settings.batch)
    warmup = max(1, settings.warmup * steps)
    schedule = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup))
    aligner.model.train()

    def losses() -> Iterator[Tensor]:
        for chosen in torch.randperm(len(data)).split(settings.batch):
            yield aligner.loss(data, chosen.numpy())
            schedule.step()

    fitting.train(
        aligner.alignment,
        lambda _: fitting.updates(losses(), optimizer),
        None,
        epochs=settings.epochs,
        patience=0,
        name="alignment",
    )


def _random_loss(aligner: Aligner, data: AlignedRows, batch: int) -> Tensor:
    return aligner.loss(data, torch.randperm(len(data))[:batch].numpy())


@torch.no_grad()
def _representation_width(model: ClickModel, instances: Encoded) -> int:
    return model.represent(instances.take(torch.zeros(1, dtype=torch.int64))).shape[1]
