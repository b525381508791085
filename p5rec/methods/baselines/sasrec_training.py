"""SASRec as a baseline: next-item prediction at every event of the training histories.

The network is ``p5rec.models.sasrec`` (Kang & McAuley 2018). The loss is a softmax over the
catalogue, or over sampled negatives, instead of the paper's single negative (Klenitskiy & Vasilev
2023, arXiv:2309.07602).

E training events, R windows, B requests, T events, P positions, N items, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from p5rec.backbones.precision import fast_dtype
from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.errors import input_error
from p5rec.core.rng import tie_order
from p5rec.core.types import Interactions, Split
from p5rec.data.known import item_indices
from p5rec.data.train_events import training_counts, with_new_events
from p5rec.models.catalogue import catalogue_loss, sample_items
from p5rec.models.sasrec import Sasrec as Network
from p5rec.models.sasrec import SasrecShape

from ..arrays import load_arrays, save_arrays
from . import fitting
from .iterative import EPOCHS, SasrecSettings
from .sequence_scorer import SequenceScorer
from .sequences import TrainingWindows, WindowBatch

NETWORK = "network."
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
        stored: the fields that are saved arrays.
        keyed: weight with a row per item or user → the array with their keys.
    """

    network: Network
    counts: np.ndarray
    tie: np.ndarray
    item_keys: np.ndarray
    method: SasrecSettings
    epochs: int = 0
    behaviours: tuple[str, ...] = ()
    lineage: Lineage | None = None

    stored: ClassVar[tuple[str, ...]] = ("counts", "tie", "item_keys")
    keyed: ClassVar[Mapping[str, str]] = {"items.weight": "item_keys"}

    @cached_property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 item embeddings."""
        return self.network.vectors().numpy()

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`; known items have unit vectors."""
        return np.where(self.counts[:, None] > 0, self.vectors, np.float32(np.nan))

    @classmethod
    def untrained(
        cls,
        method: SasrecSettings,
        interactions: Interactions,
        split: Split,
        behaviours: tuple[str, ...],
    ) -> Self:
        """A predictor with random weights, to be trained."""
        arrays = cls.own_arrays(interactions, split)
        lineage = Lineage(interactions.event_keys[split.mask("train")])
        network = Network(cls.shape(method, arrays, behaviours))
        return cls(network, method=method, behaviours=behaviours, lineage=lineage, **arrays)

    @classmethod
    def own_arrays(cls, interactions: Interactions, split: Split) -> dict[str, Any]:
        """The arrays besides the network's weights, by field."""
        return {
            "counts": training_counts(interactions, split).astype(np.float32),
            "tie": tie_order(interactions.item_keys, split.seed),
            "item_keys": interactions.item_keys,
        }

    @classmethod
    def shape(
        cls, method: SasrecSettings, arrays: Mapping[str, Any], behaviours: tuple[str, ...]
    ) -> SasrecShape:
        """The size of the network.

        Args:
            method: the settings.
            arrays: besides the network's weights, by field.
            behaviours: names of the behaviours that it distinguishes.
        """
        sizes = method.width, method.layers, method.heads, method.window
        return SasrecShape(len(arrays["tie"]), *sizes, method.dropout, len(behaviours))

    def states(self, *columns: Tensor) -> Tensor:
        """See :class:`.sequence_scorer.SequenceScorer`."""
        states: Tensor = self.network(*columns)
        return states

    def target_states(self, network: Network, batch: WindowBatch) -> Tensor:
        """``(P, D)`` unit states that predict the targets of a batch.

        Args:
            network: the trained network; the predictor has the average of its weights.
            batch: the windows.
        """
        states: Tensor = network(batch.items[:, :-1], batch.done[:, :-1])
        return states[batch.row, batch.after]

    def current(self) -> Self:
        """The predictor with the network's present weights, for a validation check in training."""
        return replace(self)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        weights = {NETWORK + k: v.numpy() for k, v in self.network.state_dict().items()}
        own = {name: getattr(self, name) for name in self.stored}
        save_arrays(folder, {**own, EPOCHS: np.array([self.epochs]), **weights})
        write_json(folder / BEHAVIOURS, self.behaviours)


Predictor = TypeVar("Predictor", bound=SasrecPredictor)


def load(predictor: type[Predictor], method: SasrecSettings, folder: Path) -> Predictor:
    """The predictor that :meth:`SasrecPredictor.save` wrote."""
    arrays, behaviours = load_arrays(folder), tuple(read_json(folder / BEHAVIOURS))
    weights = {
        name: torch.from_numpy(arrays.pop(name))
        for name in list(arrays)
        if name.startswith(NETWORK)
    }
    epochs = int(arrays.pop(EPOCHS)[0])
    network = Network(predictor.shape(method, arrays, behaviours)).requires_grad_(False).eval()
    network.load_state_dict({name.removeprefix(NETWORK): w for name, w in weights.items()})
    return predictor(network, method=method, epochs=epochs, behaviours=behaviours, **arrays)


def fit(
    predictor: type[Predictor],
    method: SasrecSettings,
    interactions: Interactions,
    split: Split,
    start: Path | None = None,
) -> Predictor:
    """Trains on next-item prediction at every event of the training histories.

    Targets are events of target behaviours, without the first of a history.

    Args:
        predictor: what is trained.
        method: the settings.
        interactions, split: the data.
        start: the folder of a model to initialise from.
    """
    n_items, read = interactions.n_items, split
    if start is not None and method.replay is not None:
        read = with_new_events(interactions, split, Lineage.read(start), method.replay)
    windows = TrainingWindows(
        interactions, read, method.window, method.batch, split.seed, method.targets
    )
    with fitting.seeded(split.seed, method.kind):
        trained = predictor.untrained(method, interactions, split, windows.behaviours)
        network = trained.network
        if start is not None:
            _initialise(start, trained)
        copy, mean = fitting.with_average(network, method.ema_epochs * windows.steps)
        averaged = replace(trained, network=copy)
        optimizer = torch.optim.Adam(network.parameters(), lr=method.learning_rate, fused=True)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
        dtype = fast_dtype(torch.device("cpu"))

        def losses(n: int) -> Iterator[Tensor]:
            for batch in windows.batches(n):
                states = averaged.target_states(network, batch) / method.temperature
                sampled = sample_items(n_items, method.negatives, states.device)
                targets = batch.items[batch.row, batch.column]
                yield catalogue_loss(states, network.vectors(), targets, sampled, dtype)
                warm.step()

        epochs = fitting.train(
            copy,
            lambda n: fitting.updates(losses(n), optimizer, mean),
            fitting.validation_metric(averaged.current, interactions, split),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
        )
    return replace(averaged, epochs=epochs)


@torch.no_grad()
def _initialise(start: Path, trained: SasrecPredictor) -> None:
    """Copies the weights in ``start``; embeddings of new items and users stay unchanged.

    Raises:
        UserError: the sizes or the behaviours differ.
    """
    behaviours, network = trained.behaviours, trained.network
    if (names := tuple(read_json(start / BEHAVIOURS))) != behaviours:
        raise input_error(
            start, f"a SASRec of the same behaviours ({', '.join(behaviours) or 'none'})",
            ", ".join(names) or "none", "fit it again",
        )  # fmt: skip
    arrays = load_arrays(start)
    for name, weight in network.state_dict().items():
        old = torch.from_numpy(arrays.get(NETWORK + name, np.zeros(0)))
        keys = trained.keyed.get(name)
        if old.shape[1:] != weight.shape[1:] or (keys is None and len(old) != len(weight)):
            raise input_error(
                start, f"a SASRec of the same sizes to start from ({name} {tuple(weight.shape)})",
                f"{tuple(old.shape)}", "give both the same settings",
            )  # fmt: skip
        if keys is None:
            weight.copy_(old)
            continue
        row_of = item_indices(getattr(trained, keys).tolist(), arrays[keys].tolist())
        known = torch.from_numpy(np.flatnonzero(row_of >= 0))
        weight[known] = old[row_of[row_of >= 0]]
