"""SASRec as a baseline: every event of a training history is asked for after those before it.

The network is ``p5rec.models.sasrec`` (Kang & McAuley 2018), the loss a softmax over the catalogue,
or over items drawn for a step, in place of the paper's one negative (Klenitskiy & Vasilev 2023,
arXiv:2309.07602).

E training events, R windows, B requests, T events, P positions, N items, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.features import behaviour_codes
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.models.catalogue import catalogue_loss, draw, quick
from p5rec.models.sasrec import Sasrec as Network
from p5rec.models.sasrec import SasrecShape

from ..arrays import load_arrays, save_arrays
from . import fitting
from .dense import DenseScorer
from .iterative import SasrecSettings
from .sequences import TrainingWindows, rectangles

BEHAVIOURS = "behaviours.json"
WARMUP = 100  # steps until the learning rate is whole


@dataclass(frozen=True, eq=False)
class SasrecPredictor(DenseScorer):
    """Ranks by the cosine with the state after the last event.

    A request without a history gets the most popular items. The network stays as it is once lists
    have been asked for.

    Attributes:
        network: trained.
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        method: how it was fitted.
        behaviours: the names of those that it tells apart.
        lineage: the training events.
    """

    network: Network
    counts: np.ndarray
    tie: np.ndarray
    method: SasrecSettings
    behaviours: tuple[str, ...] = ()
    lineage: Lineage | None = None

    @cached_property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 of the items."""
        return self.network.vectors().numpy()

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`; known items have unit vectors."""
        return np.where(self.counts[:, None] > 0, self.vectors, np.float32(np.nan))

    @torch.no_grad()
    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.dense.DenseScorer`."""
        read = histories.tail(self.method.window)
        states = np.zeros((len(read), self.method.width), dtype=np.float32)
        done = behaviour_codes(read.behaviours, self.behaviours, len(read.items))
        for rows, columns, last in rectangles(read, self.method.window, read.items, done):
            found = self.network(*map(torch.from_numpy, columns))
            states[rows] = found[np.arange(len(rows)), last[: len(rows)]].numpy()
        scores = fitting.products(states, self.vectors)
        scores[histories.lengths == 0] = self.counts
        return scores

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        weights = {f"network.{k}": v.numpy() for k, v in self.network.state_dict().items()}
        save_arrays(folder, {"counts": self.counts, "tie": self.tie, **weights})
        write_json(folder / BEHAVIOURS, self.behaviours)


def load(method: SasrecSettings, folder: Path) -> SasrecPredictor:
    """What :meth:`SasrecPredictor.save` wrote."""
    arrays = load_arrays(folder)
    counts, tie = arrays.pop("counts"), arrays.pop("tie")
    behaviours = tuple(read_json(folder / BEHAVIOURS))
    network = _network(method, len(tie), behaviours).requires_grad_(False).eval()
    network.load_state_dict(
        {name.removeprefix("network."): torch.from_numpy(each) for name, each in arrays.items()}
    )
    return SasrecPredictor(network, counts, tie, method, behaviours)


def _network(method: SasrecSettings, n_items: int, behaviours: tuple[str, ...]) -> Network:
    sizes = method.width, method.layers, method.heads, method.window
    return Network(SasrecShape(n_items, *sizes, method.dropout, len(behaviours)))


def fit(method: SasrecSettings, interactions: Interactions, split: Split) -> SasrecPredictor:
    """Trains on every event of the training histories but the first, of target behaviours."""
    train, n_items = split.mask("train"), interactions.n_items
    windows = TrainingWindows(
        interactions, split, method.window, method.batch, split.seed, method.targets
    )
    with fitting.drawn_under(split.seed, "sasrec"):
        network = _network(method, n_items, windows.behaviours)
        copy, mean = fitting.averaged(network, method.averaged * windows.steps)
        taken = interactions.items[train & interactions.is_target]
        counts = np.bincount(taken, minlength=n_items).astype(np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        lineage = Lineage(interactions.event_keys[train])
        now = partial(SasrecPredictor, copy, counts, tie, method, windows.behaviours, lineage)
        optimizer = torch.optim.Adam(network.parameters(), lr=method.learning_rate, fused=True)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
        dtype = quick(torch.device("cpu"))

        def losses(n: int) -> Iterator[Tensor]:
            for items, done, row, column, after in windows.batches(n):
                states = network(items[:, :-1], done[:, :-1])[row, after] / method.temperature
                drawn = draw(n_items, method.negatives, states.device)
                targets = items[row, column]
                yield catalogue_loss(states, network.vectors(), targets, drawn, dtype)
                warm.step()

        fitting.train(
            copy,
            lambda n: fitting.updates(losses(n), optimizer, mean),
            fitting.on_validation(now, interactions, split),
            epochs=method.epochs,
            patience=method.patience,
            name="sasrec",
        )
    return now()
