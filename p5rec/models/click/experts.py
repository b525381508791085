"""The hybrid-expert adaptor of KAR (Xi et al. 2023, arXiv:2306.10933): vectors of texts → vectors
for a click model.

B entities, d width of a text vector, E width of an adapted vector, K experts of a tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .fields import Adapter
from .layers import Perceptron


class ExpertSizes(NamedTuple):
    """The sizes of an adaptor.

    Attributes:
        shared: experts of all towers.
        dedicated: further experts of each tower.
        hidden: widths of an expert's layers; the last is E.
        dropout: rate in the experts.
    """

    shared: int
    dedicated: int
    hidden: Sequence[int]
    dropout: float


class Tower(Adapter):
    """A mixture of experts, weighted by a softmax gate that reads the same vector.

    Args:
        width: d.
        shared: the experts that the tower shares with others.
        sizes: of the adaptor.
    """

    def __init__(self, width: int, shared: nn.ModuleList, sizes: ExpertSizes) -> None:
        super().__init__()
        self.shared, self.dedicated = shared, _experts(sizes.dedicated, width, sizes)
        self.gate = nn.Linear(width, sizes.shared + sizes.dedicated)
        self.width = sizes.hidden[-1]

    def forward(self, vectors: Tensor) -> Tensor:
        """``(B, d)`` to ``(B, E)``; NaN rows, which are unknown, stay NaN."""
        known = ~vectors[:, :1].isnan()
        read = torch.where(known, vectors, 0.0)
        weights = self.gate(read).softmax(-1)
        outputs = torch.stack([expert(read) for expert in (*self.shared, *self.dedicated)], 1)
        mixed = (weights[:, None] @ outputs)[:, 0]
        return torch.where(known, mixed, torch.nan)


def towers(widths: Sequence[int], sizes: ExpertSizes) -> list[Tower]:
    """A tower for each kind of knowledge, with common shared experts.

    Args:
        widths: d of each tower; all are equal.
        sizes: of the adaptor.
    """
    shared = _experts(sizes.shared, widths[0], sizes)
    return [Tower(width, shared, sizes) for width in widths]


def _experts(count: int, width: int, sizes: ExpertSizes) -> nn.ModuleList:
    return nn.ModuleList(Perceptron(width, sizes.hidden, sizes.dropout) for _ in range(count))
