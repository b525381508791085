"""Heads that read a hidden state: an item's further codes, a rating as number and class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, gelu


class CodeHead(nn.Module):
    """The state before an item, and the codes named so far → the state before its next code.

    With it an item takes one position of the language model instead of L: the model is run once
    an item, this small network once a code. The idea of a small second network for the codes
    within a position is that of the RQ-Transformer (Lee et al. 2022, arXiv:2203.01941, section
    3.2.2). DEVIATION: a perceptron over the sum of the codes' rows in place of a transformer.

    Args:
        width: D.
        dropout: share of hidden numbers left out in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(2 * width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """``(..., D)`` states before items, ``(..., D)`` sums of code rows → ``(..., D)``."""
        hidden = hidden.float()
        inner = gelu(self.up(torch.cat([hidden, codes.float()], dim=-1)))
        return self.norm(hidden + self.down(dropout(inner, self.dropout, self.training)))


class RatingHeads(nn.Module):
    """A regression and a classification head over one hidden state.

    Args:
        width: D, the hidden size.
        scale: the ratings that occur, ascending.
    """

    scale: Tensor

    def __init__(self, width: int, scale: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.norm = nn.LayerNorm(width)
        self.regression = nn.Linear(width, 1)
        self.classification = nn.Linear(width, len(scale))
        nn.init.zeros_(self.regression.weight)
        nn.init.constant_(self.regression.bias, float(self.scale.mean()))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, D)`` → predicted rating ``(B,)`` and class logits ``(B, len(scale))``, float32."""
        read = self.norm(hidden.float())
        return self.regression(read).squeeze(-1), self.classification(read)

    @torch.no_grad()
    def start_at(self, ratings: Tensor) -> None:
        """Lets untrained heads say of everything what is true of ``ratings (n,)`` as a whole."""
        counts = torch.bincount(self._classes(ratings), minlength=len(self.scale))
        self.regression.bias.fill_(ratings.mean())
        nn.init.zeros_(self.classification.weight)
        self.classification.bias.copy_((counts.clamp(min=1) / counts.sum()).log())

    def loss(self, hidden: Tensor, ratings: Tensor) -> Tensor:
        """``(M,)``: squared error and cross-entropy, summed.

        Args:
            hidden: ``(M, D)``, M may be 0.
            ratings: ``(M,)``.
        """
        value, logits = self(hidden)
        squared = (value - ratings) ** 2
        return squared + cross_entropy(logits, self._classes(ratings), reduction="none")

    def _classes(self, ratings: Tensor) -> Tensor:
        return (ratings[:, None] - self.scale).abs().argmin(1)

    def predict(self, hidden: Tensor) -> Tensor:
        """``(B, D)`` → ``(B,)``: the mean of the regression and the expected class, clipped."""
        value, logits = self(hidden)
        expected = logits.softmax(-1) @ self.scale
        return ((value + expected) / 2).clamp(self.scale[0], self.scale[-1])
