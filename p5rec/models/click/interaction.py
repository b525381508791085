"""The interface of click networks: embedded fields to logits. B instances, F fields, D width."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class History(NamedTuple):
    """The events before each instance.

    Attributes:
        items: ``(B, T, E)`` the embedded fields of each event's item; B or 1, for all instances.
        labels: ``(B, T)`` int64, the label of each event plus one: 0 unknown, 1 negative,
            2 positive.
        real: ``(B, T)`` bool, False where a history is shorter.
    """

    items: Tensor
    labels: Tensor
    real: Tensor


class Interaction(nn.Module):
    """A network over embedded fields.

    Attributes:
        first_order: whether the model also adds a weight for each value.
    """

    first_order: ClassVar[bool] = False

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """Logits ``(B,)``.

        Args:
            embedded: ``(B, F, D)`` the fields of user, context and item.
            history: the events before each instance, if the network reads them.
        """
        raise NotImplementedError

    def represent(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """``(B, R)`` what the output layer reads; a network without hidden layers has none."""
        raise NotImplementedError
