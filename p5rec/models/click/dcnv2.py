"""DCN V2 (Wang et al. 2021, arXiv:2008.13535): crosses by full matrices, beside a perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .interaction import History, Interaction
from .layers import Perceptron


class DcnV2(Interaction):
    """The parallel form: one output layer reads the crosses and the perceptron.

    Args:
        fields: F.
        width: D.
        crosses: number of cross layers, ``x <- x0 * (W x + b) + x``.
        hidden: widths of the perceptron's layers.
        dropout: rate in the perceptron.
    """

    def __init__(
        self, fields: int, width: int, crosses: int, hidden: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        size = fields * width
        self.crosses = nn.ModuleList(nn.Linear(size, size) for _ in range(crosses))
        self.perceptron = Perceptron(size, hidden, dropout)
        self.out = nn.Linear(size + self.perceptron.width, 1, bias=False)

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        out: Tensor = self.out(self.represent(embedded))[:, 0]
        return out

    def represent(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        flat = crossed = embedded.flatten(1)
        for layer in self.crosses:
            crossed = torch.addcmul(crossed, flat, layer(crossed))
        return torch.cat([crossed, self.perceptron(flat)], 1)
