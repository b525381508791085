"""A click model: field embeddings and an interaction network. B instances, T events, C context
fields."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .fields import FieldEmbedding
from .interaction import History, Interaction


BLOCK = 256  # instances of one forward pass: their activations stay in the cache


class Events(NamedTuple):
    """The events before each instance.

    Attributes:
        items: ``(B, T)`` int64 item rows; any row where a history is shorter.
        labels: ``(B, T)`` int64, see :class:`.interaction.History`.
        real: ``(B, T)`` bool, False where a history is shorter.
    """

    items: Tensor
    labels: Tensor
    real: Tensor


class Instances(NamedTuple):
    """Instances of click prediction.

    Attributes:
        users, items: ``(B,)`` int64 rows; -1 is unknown.
        context: ``(B, C)`` int32 codes.
        events: the events before each instance, if the model reads them.
    """

    users: Tensor
    items: Tensor
    context: Tensor
    events: Events | None = None


class ClickModel(nn.Module):
    """Maps instances to logits."""

    def __init__(self, fields: FieldEmbedding, interaction: Interaction) -> None:
        super().__init__()
        self.fields, self.interaction = fields, interaction

    def forward(self, batch: Instances) -> Tensor:
        """Logits ``(B,)``."""
        return self.interaction(self.embed(batch), self.read(batch.events))

    def embed(self, batch: Instances) -> Tensor:
        """``(B, F, W)`` the embedded fields."""
        return self.fields(batch.users, batch.context, batch.items)

    def rank(self, request: Instances, items: Tensor, embedded: Tensor) -> Tensor:
        """Logits ``(n,)`` of ``items (n,)`` for one request; its history is read once.

        Args:
            request: one instance; its item is ignored.
            items: rows.
            embedded: ``(N, F, W)`` the embedded fields of all items.
        """
        own = self.fields.of_requests(request.users, request.context)
        history = self.read(request.events)
        logits = [
            self.interaction(torch.cat([own.expand(len(rows), -1, -1), embedded[rows]], 1), history)
            for rows in items.split(BLOCK)
        ]
        return torch.cat(logits)

    def read(self, events: Events | None) -> History | None:
        """The events with embedded items; each distinct item is embedded once."""
        if events is None:
            return None
        distinct, at = torch.unique(events.items, return_inverse=True)
        embedded = self.fields.of_items(distinct).flatten(1)
        items = nn.functional.embedding(at, embedded)
        return History(items, events.labels, events.real)
