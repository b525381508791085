"""Logistic regression over fields: a weight for each value."""

from __future__ import annotations

from torch import Tensor

from .interaction import History, Interaction


class Logistic(Interaction):
    """Adds nothing to the weights of the values; D is 0."""

    first_order = True

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        return embedded.new_zeros(len(embedded))
