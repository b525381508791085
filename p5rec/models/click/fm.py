"""Factorisation machines (Rendle 2010, *Factorization machines*)."""

from __future__ import annotations

from torch import Tensor

from .interaction import History, Interaction
from .layers import pairwise


class FactorisationMachine(Interaction):
    """Adds a weight for each value and the inner product of each pair of fields."""

    first_order = True

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        return self.bias + embedded[..., 0].sum(1) + pairwise(embedded[..., 1:])
