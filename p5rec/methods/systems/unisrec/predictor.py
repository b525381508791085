"""A fitted UniSRec: its network, and the text vectors of its catalogue.

B requests, N items, T events, d width of the text vectors, D width of item vectors and states.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.models.sasrec import SasrecShape
from p5rec.models.unisrec import AdaptorShape
from p5rec.models.unisrec import Unisrec as Network

from ...arrays import load_arrays, save_arrays
from ...baselines.iterative import EPOCHS
from ...baselines.sequence_scorer import SequenceScorer
from .settings import UnisrecSettings

ABOUT = "unisrec.json"
NETWORK = "network."
OWN = "sequence.items.weight"  # the embeddings of the items


@dataclass(frozen=True)
class About:
    """What must agree between pre-training and tuning.

    Attributes:
        encoder: of the texts; None for vectors of the user's own.
        layer: the hidden state that the encoder averages; None: the last.
        behaviours: names of the behaviours that are distinguished.
    """

    encoder: str | None
    layer: int | None
    behaviours: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class UnisrecPredictor(SequenceScorer):
    """See :class:`~p5rec.methods.baselines.sequence_scorer.SequenceScorer`; item vectors are cached
    on first use.

    Attributes:
        network: the trained network.
        texts: ``(N, d)`` float32 text vectors; NaN without a text.
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        method: the settings of the fit.
        about: what tuning must agree with.
        epochs: the length of the training.
        lineage: the training events.
    """

    network: Network
    texts: np.ndarray
    counts: np.ndarray
    tie: np.ndarray
    method: UnisrecSettings
    about: About
    epochs: int = 0
    lineage: Lineage | None = None

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the behaviours that it distinguishes."""
        return self.about.behaviours

    @cached_property
    @torch.no_grad()
    def table(self) -> Tensor:
        """``(N, D)`` item vectors, as the encoder reads them."""
        texts = torch.from_numpy(self.texts)
        return self.network.item_vectors(texts, torch.arange(len(texts)))

    @cached_property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 unit vectors of the items."""
        vectors: np.ndarray = F.normalize(self.table, dim=-1).numpy()
        return vectors

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`; items without a training event have a
        vector if they have a text."""
        known = (self.counts > 0) | ~np.isnan(self.texts).any(axis=1)
        return np.where(known[:, None], self.vectors, np.float32(np.nan))

    def states(self, *columns: Tensor) -> Tensor:
        """See :class:`~p5rec.methods.baselines.sequence_scorer.SequenceScorer`."""
        items, done = columns
        return self.network.sequence.encode(self.table[items], done)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        weights = {NETWORK + k: v.numpy() for k, v in self.network.state_dict().items()}
        own = {"texts": self.texts, "counts": self.counts, "tie": self.tie}
        save_arrays(folder, {**own, EPOCHS: np.array([self.epochs]), **weights})
        write_json(folder / ABOUT, vars(self.about))


def load(method: UnisrecSettings, folder: Path) -> UnisrecPredictor:
    """The predictor that :meth:`UnisrecPredictor.save` wrote."""
    arrays, about = load_arrays(folder), read_about(folder)
    texts, counts, tie = (arrays[name] for name in ("texts", "counts", "tie"))
    network = new_network(method, texts.shape[1], about, len(arrays[NETWORK + OWN]))
    network.load_state_dict(weights_of(arrays))
    network.requires_grad_(False).eval()
    epochs = int(arrays[EPOCHS][0])
    return UnisrecPredictor(network, texts, counts, tie, method, about, epochs)


def read_about(folder: Path) -> About:
    """The facts beside the arrays in ``folder``."""
    tree = read_json(folder / ABOUT)
    return About(tree["encoder"], tree["layer"], tuple(tree["behaviours"]))


def weights_of(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The network's weights among the ``arrays`` of a folder, by name."""
    return {
        name.removeprefix(NETWORK): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(NETWORK)
    }


def new_network(method: UnisrecSettings, text_width: int, about: About, embedded: int) -> Network:
    """A network with random weights.

    Args:
        method: the sizes.
        text_width: d.
        about: the behaviours.
        embedded: the number of items with embeddings of their own.
    """
    return Network(
        AdaptorShape(text_width, method.width, method.experts, method.adaptor_dropout),
        SasrecShape(
            embedded,
            method.width,
            method.layers,
            method.heads,
            method.window,
            method.dropout,
            len(about.behaviours),
        ),
    )
