"""A fitted click model: probabilities of pairs, and items ranked by probability. B requests, N
items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.types import Histories, check_rows
from p5rec.models.click.fields import Adapters, Features, FieldEmbedding
from p5rec.models.click.model import BLOCK, ClickModel

from ..arrays import load_arrays, save_arrays
from ..baselines.iterative import EPOCHS
from .encoding import Encoder
from .features import DataFields, EntityFields, UserIndex, dumped, restored
from .ranking import RanksPairs
from .settings import ClickSettings

FIELDS, NETWORK = "fields.json", "network."


@dataclass(frozen=True, eq=False)
class ClickPredictor(RanksPairs):
    """Predicts clicks, and ranks by their probability.

    Attributes:
        model: the network.
        encoder: turns requests into its input.
        tie: ``(N,)`` tie order.
        epochs: the length of the training.
        lineage: the training events.
    """

    model: ClickModel
    encoder: Encoder
    tie: np.ndarray
    epochs: int = 0
    lineage: Lineage | None = None

    @torch.inference_mode()
    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`.

        Instances pass the network in blocks of one shape, so a prediction does not depend on the
        others.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.tie))
        if not len(items):
            return np.zeros(0, dtype=np.float32)
        encoded, clicks = self.encoder.encode(histories, items), []
        for start in range(0, len(items), BLOCK):
            rows = torch.arange(start, start + BLOCK).clamp(max=len(items) - 1)
            clicks.append(self.model(encoded.take(rows, self.encoder.events)).sigmoid())
        return torch.cat(clicks)[: len(items)].numpy()

    def scores(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`.ranking.RanksPairs`; each history is read once."""
        with torch.inference_mode():
            rows = torch.from_numpy(items)
            embedded, first = self._items
            fields = embedded[rows], None if first is None else first[rows]
            encoded = self.encoder.encode(histories, np.zeros(len(histories), np.int64))
            requests = (
                encoded.take(torch.tensor([row]), self.encoder.events)
                for row in range(len(histories))
            )
            return np.stack([self.model.rank(each, fields).sigmoid().numpy() for each in requests])

    @cached_property
    def _items(self) -> tuple[Tensor, Tensor | None]:
        return self.model.fields.of_items(torch.arange(len(self.tie)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        about, arrays = dumped(self.encoder.fields)
        weights = {NETWORK + name: each.numpy() for name, each in self.model.state_dict().items()}
        own = {"tie": self.tie, "user_keys": self.encoder.users.keys}
        save_arrays(folder, {**own, EPOCHS: np.array([self.epochs]), **arrays, **weights})
        write_json(folder / FIELDS, about)


MakeAdapters = Callable[[DataFields], Adapters | None]


def no_adapters(fields: DataFields) -> None:
    """The model reads side vectors as they are."""


def load(
    method: ClickSettings, folder: Path, adapters: MakeAdapters = no_adapters
) -> ClickPredictor:
    """The predictor that :meth:`ClickPredictor.save` wrote.

    Args:
        method: its settings.
        folder: the files.
        adapters: makes those of the side vectors.
    """
    arrays = load_arrays(folder)
    fields = restored(read_json(folder / FIELDS), arrays)
    model = click_model(method, fields, adapters).requires_grad_(False).eval()
    weights = {
        name.removeprefix(NETWORK): torch.from_numpy(each)
        for name, each in arrays.items()
        if name.startswith(NETWORK)
    }
    model.load_state_dict(weights)
    encoder = Encoder(fields, UserIndex(arrays["user_keys"]), method.events_read)
    return ClickPredictor(model, encoder, arrays["tie"], int(arrays[EPOCHS][0]))


def click_model(
    method: ClickSettings, fields: DataFields, adapters: MakeAdapters = no_adapters
) -> ClickModel:
    """The untrained network of ``method`` over ``fields``."""
    users, items = (_features(own) for own in (fields.users, fields.items))
    context = [each.start for each in fields.context]
    network = method.network(users.fields + len(context) + items.fields, items.fields)
    embedding = FieldEmbedding(
        fields.rows,
        users,
        items,
        context,
        method.embedding_width,
        first_order=network.first_order,
        adapters=adapters(fields),
    )
    return ClickModel(embedding, network)


def _features(own: EntityFields) -> Features:
    arrays = own.singles, own.lists, own.shares, own.unknown
    singles, lists, shares, unknown = map(torch.from_numpy, arrays)
    vectors = tuple(map(torch.from_numpy, own.vectors.values()))
    return Features(singles, lists, shares, unknown, vectors)
