"""Factorisation machines (Rendle 2010, *Factorization machines*)."""

from __future__ import annotations

from torch import Tensor

from .interaction import History, Interaction
from .layers import pairwise


class FactorisationMachine(Interaction):
    """Adds the inner product of each pair of fields to the weights of their values."""

    first_order = True

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        return pairwise(embedded)
