"""Layers that several click models share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Perceptron(nn.Sequential):
    """Linear layers with ReLU and dropout.

    Args:
        width: of the input.
        hidden: the width of each layer; empty: the input itself.
        dropout: rate on the output of each layer.
    """

    def __init__(self, width: int, hidden: Sequence[int], dropout: float) -> None:
        sizes = [width, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        super().__init__(*layers)
        self.width = sizes[-1]  # of the output


def pairwise(embedded: Tensor) -> Tensor:
    """``(B,)``: the sum of the inner products of all pairs of the fields ``embedded (B, F, D)``."""
    return (embedded.sum(1).square() - embedded.square().sum(1)).sum(1) / 2
