"""SASRec as a baseline: next-item prediction at every event of the training histories.

The network is ``p5rec.models.sasrec`` (Kang & McAuley 2018). The loss is a softmax over the
catalogue, or over sampled negatives, instead of the paper's single negative (Klenitskiy & Vasilev
2023, arXiv:2309.07602).

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
from p5rec.core.errors import input_error
from p5rec.core.rng import tie_order
from p5rec.core.types import Interactions, Split
from p5rec.data.known import item_indices
from p5rec.data.train_events import training_counts, with_new_events
from p5rec.models.catalogue import catalogue_loss, fast_dtype, sample_items
from p5rec.models.sasrec import Sasrec as Network
from p5rec.models.sasrec import SasrecShape

from ..arrays import load_arrays, save_arrays
from . import fitting
from .iterative import EPOCHS, SasrecSettings
from .sequence_scorer import SequenceScorer
from .sequences import TrainingWindows

ITEMS = "items.weight"  # the network's item embeddings
BEHAVIOURS = "behaviours.json"
WARMUP = 100  # steps of linear warm-up


@dataclass(frozen=True, eq=False)
class SasrecPredictor(SequenceScorer):
    """See :class:`.sequence_scorer.SequenceScorer`; item embeddings are cached on first use.

    Attributes:
        network: the trained network.
        counts: ``(N,)`` float32 training events of each item.
        tie: ``(N,)`` tie order.
        item_keys: ``(N,)`` uint64, keys of the items' external ids.
        method: the settings of the fit.
        epochs: the length of the training.
        behaviours: names of the behaviours that it distinguishes.
        lineage: the training events.
    """

    network: Network
    counts: np.ndarray
    tie: np.ndarray
    item_keys: np.ndarray
    method: SasrecSettings
    epochs: int = 0
    behaviours: tuple[str, ...] = ()
    lineage: Lineage | None = None

    @cached_property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 item embeddings."""
        return self.network.vectors().numpy()

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`; known items have unit vectors."""
        return np.where(self.counts[:, None] > 0, self.vectors, np.float32(np.nan))

    def states(self, items: Tensor, done: Tensor) -> Tensor:
        """See :class:`.sequence_scorer.SequenceScorer`."""
        states: Tensor = self.network(items, done)
        return states

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        weights = {f"network.{k}": v.numpy() for k, v in self.network.state_dict().items()}
        own = {"counts": self.counts, "tie": self.tie, "item_keys": self.item_keys}
        save_arrays(folder, {**own, EPOCHS: np.array([self.epochs]), **weights})
        write_json(folder / BEHAVIOURS, self.behaviours)


def load(method: SasrecSettings, folder: Path) -> SasrecPredictor:
    """The predictor that :meth:`SasrecPredictor.save` wrote."""
    arrays = load_arrays(folder)
    counts, tie, item_keys = (arrays.pop(name) for name in ("counts", "tie", "item_keys"))
    epochs, behaviours = int(arrays.pop(EPOCHS)[0]), tuple(read_json(folder / BEHAVIOURS))
    network = _network(method, len(tie), behaviours).requires_grad_(False).eval()
    network.load_state_dict(
        {name.removeprefix("network."): torch.from_numpy(each) for name, each in arrays.items()}
    )
    return SasrecPredictor(network, counts, tie, item_keys, method, epochs, behaviours)


def _network(method: SasrecSettings, n_items: int, behaviours: tuple[str, ...]) -> Network:
    sizes = method.width, method.layers, method.heads, method.window
    return Network(SasrecShape(n_items, *sizes, method.dropout, len(behaviours)))


def fit(
    method: SasrecSettings, interactions: Interactions, split: Split, start: Path | None = None
) -> SasrecPredictor:
    """Trains on next-item prediction at every event of the training histories.

    Targets are events of target behaviours, without the first of a history.

    Args:
        method: the settings.
        interactions, split: the data.
        start: the folder of a model to initialise from.
    """
    train, n_items = split.mask("train"), interactions.n_items
    read = split
    if start is not None and method.replay is not None:
        read = with_new_events(interactions, split, Lineage.read(start), method.replay)
    windows = TrainingWindows(
        interactions, read, method.window, method.batch, split.seed, method.targets
    )
    with fitting.seeded(split.seed, "sasrec"):
        network = _network(method, n_items, windows.behaviours)
        if start is not None:
            _initialise(start, network, interactions.item_keys, windows.behaviours)
        copy, mean = fitting.with_average(network, method.ema_epochs * windows.steps)
        counts = training_counts(interactions, split).astype(np.float32)
        tie = tie_order(interactions.item_keys, split.seed)
        lineage = Lineage(interactions.event_keys[train])
        own = copy, counts, tie, interactions.item_keys, method
        now = partial(SasrecPredictor, *own, behaviours=windows.behaviours, lineage=lineage)
        optimizer = torch.optim.Adam(network.parameters(), lr=method.learning_rate, fused=True)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
        dtype = fast_dtype(torch.device("cpu"))

        def losses(n: int) -> Iterator[Tensor]:
            for items, done, row, column, after in windows.batches(n):
                states = network(items[:, :-1], done[:, :-1])[row, after] / method.temperature
                sampled = sample_items(n_items, method.negatives, states.device)
                targets = items[row, column]
                yield catalogue_loss(states, network.vectors(), targets, sampled, dtype)
                warm.step()

        epochs = fitting.train(
            copy,
            lambda n: fitting.updates(losses(n), optimizer, mean),
            fitting.validation_metric(now, interactions, split),
            epochs=method.epochs,
            patience=method.patience,
            name="sasrec",
        )
    return now(epochs=epochs)


@torch.no_grad()
def _initialise(
    start: Path, network: Network, item_keys: np.ndarray, behaviours: tuple[str, ...]
) -> None:
    """Copies the weights in ``start`` into ``network``; embeddings of new items stay unchanged.

    Raises:
        UserError: the sizes or the behaviours differ.
    """
    if (names := tuple(read_json(start / BEHAVIOURS))) != behaviours:
        raise input_error(
            start, f"a SASRec of the same behaviours ({', '.join(behaviours) or 'none'})",
            ", ".join(names) or "none", "fit it again",
        )  # fmt: skip
    arrays = load_arrays(start)
    row_of = item_indices(item_keys.tolist(), arrays["item_keys"].tolist())
    known = torch.from_numpy(np.flatnonzero(row_of >= 0))
    for name, weight in network.state_dict().items():
        old = torch.from_numpy(arrays[f"network.{name}"])
        if old.shape[1:] != weight.shape[1:] or (name != ITEMS and len(old) != len(weight)):
            raise input_error(
                start, f"a SASRec of the same sizes to start from ({name} {tuple(weight.shape)})",
                f"{tuple(old.shape)}", "give both the same settings",
            )  # fmt: skip
        if name == ITEMS:
            weight[known] = old[row_of[row_of >= 0]]
        else:
            weight.copy_(old)
