"""DeepFM (Guo et al. 2017, arXiv:1703.04247): a factorisation machine and a perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .interaction import History, Interaction
from .layers import Perceptron, pairwise


class DeepFm(Interaction):
    """Adds the logits of a factorisation machine and of a perceptron over the same embeddings.

    Args:
        fields: F.
        width: D.
        hidden: widths of the perceptron's layers.
        dropout: rate in the perceptron.
    """

    first_order = True

    def __init__(self, fields: int, width: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.perceptron = Perceptron(fields * width, hidden, dropout)
        self.out = nn.Linear(self.perceptron.width, 1, bias=False)

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        deep: Tensor = self.out(self.represent(embedded))[:, 0]
        return pairwise(embedded) + deep

    def represent(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`: the output of the perceptron."""
        deep: Tensor = self.perceptron(embedded.flatten(1))
        return deep
