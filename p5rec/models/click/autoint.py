"""AutoInt (Song et al. 2019, arXiv:1810.11921): self-attention between fields, beside a
perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .interaction import History, Interaction
from .layers import Perceptron


class Attention(nn.Module):
    """Multi-head attention between fields, with a projected residual; products are not scaled."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projections = nn.Linear(width, 4 * width, bias=False)  # query, key, value, residual

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F, D)`` to ``(B, F, D)``."""
        query, key, value, residual = self.projections(fields).chunk(4, -1)
        query, key, value = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (query, key, value)
        )
        weights = (query @ key.transpose(2, 3)).softmax(-1)
        attended = (weights @ value).transpose(1, 2).flatten(2)
        return (attended + residual).relu()


class AutoInt(Interaction):
    """One output layer reads the attended fields and the perceptron.

    Args:
        fields: F.
        width: D, a multiple of ``heads``.
        layers: number of attention layers.
        heads: attention heads of each layer.
        hidden: widths of the perceptron's layers; empty: the output reads the fields instead.
        dropout: rate in the perceptron.
    """

    def __init__(
        self,
        fields: int,
        width: int,
        layers: int,
        heads: int,
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        size = fields * width
        self.layers = nn.Sequential(*(Attention(width, heads) for _ in range(layers)))
        self.perceptron = Perceptron(size, hidden, dropout)
        self.out = nn.Linear(size + self.perceptron.width, 1, bias=False)

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        out: Tensor = self.out(self.represent(embedded))[:, 0]
        return out

    def represent(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        attended = self.layers(embedded).flatten(1)
        return torch.cat([attended, self.perceptron(embedded.flatten(1))], 1)
