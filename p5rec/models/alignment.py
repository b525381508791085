"""Contrastive alignment of two representations of the same rows (CTRL, Li et al. 2023,
arXiv:2306.02841, section 4.2).

B rows, W width of the common space, M sub-spaces of width W / M.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Alignment(nn.Module):
    """The symmetric InfoNCE loss between tabular and textual representations.

    Args:
        tabular, text: widths of the representations.
        width: W, a multiple of ``subspaces``.
        subspaces: M; 0: the similarity is the cosine of the projected representations.
        temperature: divides the similarities.
    """

    def __init__(
        self, tabular: int, text: int, *, width: int, subspaces: int, temperature: float
    ) -> None:
        super().__init__()
        self.subspaces, self.temperature = subspaces, temperature
        self.tabular = _projection(tabular, width, subspaces)
        self.text = _projection(text, width, subspaces)

    def forward(self, tabular: Tensor, text: Tensor) -> Tensor:
        """The loss ``()`` of B rows in the same order, each other's negatives.

        Args:
            tabular: ``(B, tabular)``.
            text: ``(B, text)``.
        """
        similar = self.similarities(tabular, text)
        targets = torch.arange(len(tabular))
        losses = [F.cross_entropy(each / self.temperature, targets) for each in similar]
        return (losses[0] + losses[1]) / 2

    def similarities(self, tabular: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, B)`` of each text to each tabular row, and of each tabular row to each text."""
        rows, texts = self.tabular(tabular), self.text(text)
        if not self.subspaces:
            cosine = F.normalize(texts, dim=-1) @ F.normalize(rows, dim=-1).T
            return cosine, cosine.T
        products = torch.einsum(
            "imd,jnd->ijmn",
            texts.unflatten(-1, (self.subspaces, -1)),
            rows.unflatten(-1, (self.subspaces, -1)),
        )
        return products.amax(3).sum(2), products.amax(2).sum(2).T


def _projection(inputs: int, width: int, subspaces: int) -> nn.Module:
    """The common space, and its sub-spaces side by side if there are some."""
    common = nn.Linear(inputs, width)
    return nn.Sequential(common, nn.Linear(width, width)) if subspaces else common
