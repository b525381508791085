"""The interface of click networks: embedded fields to logits. B instances, F fields, W width."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
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
        first_order: whether the first number of each embedding is the field's own weight.
        reads_history: whether it reads the events before an instance.
        bias: ``()`` the logit of an average instance.
    """

    first_order: ClassVar[bool] = False
    reads_history: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """Logits ``(B,)``.

        Args:
            embedded: ``(B, F, W)`` the fields of user, context and item.
            history: the events before each instance, if the network reads them.
        """
        raise NotImplementedError
