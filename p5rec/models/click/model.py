"""A click model: field embeddings and an interaction network. B instances, N items, T events, C
context fields, F fields, D width."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .fields import FieldEmbedding, gathered
from .interaction import History, Interaction

BLOCK = 256  # instances of one forward pass: their activations stay in the cache


class Events(NamedTuple):
    """The events before each instance.

    Attributes:
        items: ``(B, T)`` int64 item rows; -1 where a history is shorter.
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
        context: ``(B, C)`` int64 codes.
        events: the events before each instance, if the model reads them.
    """

    users: Tensor
    items: Tensor
    context: Tensor
    events: Events | None = None


class ClickModel(nn.Module):
    """Maps instances to logits: the interaction of their fields, and first-order weights if any.

    Attributes:
        fields: embeds the fields.
        interaction: a network over them.
        bias: ``()`` the logit of an average instance.
    """

    def __init__(self, fields: FieldEmbedding, interaction: Interaction) -> None:
        super().__init__()
        self.fields, self.interaction = fields, interaction
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Instances, dropout: float = 0.0) -> Tensor:
        """Logits ``(B,)``.

        Args:
            batch: the instances.
            dropout: see :class:`.fields.FieldEmbedding`.
        """
        fields = self.fields(batch.users, batch.context, batch.items, dropout)
        return self._logits(fields, self.read(batch.events))

    def represent(self, batch: Instances, dropout: float = 0.0) -> Tensor:
        """``(B, R)`` what the output layer of the interaction reads; arguments as of
        :meth:`forward`."""
        embedded, _ = self.fields(batch.users, batch.context, batch.items, dropout)
        return self.interaction.represent(embedded, self.read(batch.events))

    def rank(self, request: Instances, fields: tuple[Tensor, Tensor | None]) -> Tensor:
        """Logits ``(N,)`` of N items for one request, whose history is read once.

        Args:
            request: one instance; its item is ignored.
            fields: of the items (:meth:`.fields.FieldEmbedding.of_items`).
        """
        embedded, first = self.fields.of_requests(request.users, request.context)
        history = self.read(request.events)
        of_items, of_first = fields
        logits = []
        for start in range(0, len(of_items), BLOCK):
            block = of_items[start : start + BLOCK]
            own = torch.cat([embedded.expand(len(block), -1, -1), block], 1)
            weights = None
            if first is not None and of_first is not None:
                weights = first + of_first[start : start + BLOCK]
            logits.append(self._logits((own, weights), history))
        return torch.cat(logits)

    def read(self, events: Events | None) -> History | None:
        """The events with embedded items; each distinct item is embedded once."""
        if events is None:
            return None
        distinct, at = torch.unique(events.items, return_inverse=True)
        embedded, _ = self.fields.of_items(distinct)
        items = gathered(embedded.flatten(1), at)
        return History(items, events.labels, events.real)

    def _logits(self, fields: tuple[Tensor, Tensor | None], history: History | None) -> Tensor:
        embedded, first = fields
        logits = self.interaction(embedded, history).float() + self.bias
        return logits if first is None else logits + first
