"""Logistic regression over fields: a weight for each value."""

from __future__ import annotations

from torch import Tensor

from .interaction import History, Interaction


class Logistic(Interaction):
    """Adds the weights of the values; W is 1."""

    first_order = True

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        return self.bias + embedded[..., 0].sum(1)
