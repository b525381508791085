"""Soft tokens from vectors: a language model reads a point of a space as tokens of its input.

The adapter is ELM's (Tennenholtz et al. 2024, arXiv:2310.04475, section 2): a perceptron from the
space to the token embeddings of the language model.

B sequences, T tokens, V vectors, d width of the space, m soft tokens of a vector, D hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .config import PointSettings

SMALL = 1e-6


class SoftTokens(NamedTuple):
    """The tokens that stand for vectors.

    Attributes:
        numbers: ``(B, T)`` int64, the row in ``points`` of each token's vector; -1 for a word. The
            m tokens of a vector follow one another.
        points: ``(V, d)``.
    """

    numbers: Tensor
    points: Tensor


class Vectors(NamedTuple):
    """The vectors of one prompt.

    Attributes:
        numbers: ``(T,)`` int64, the row in ``points`` of each token's vector; -1 for a word.
        points: ``(V, d)`` float32.
    """

    numbers: np.ndarray
    points: np.ndarray


def soft_tokens(vectors: Sequence[Vectors | None], ids: Tensor) -> SoftTokens | None:
    """The soft tokens of B prompts ``ids (B, T)``, padded on the right; None: there are none."""
    numbers, points, first = torch.full_like(ids, -1), [], 0
    for row, own in enumerate(vectors):
        if own is not None:
            found = torch.from_numpy(np.where(own.numbers < 0, -1, own.numbers + first))
            numbers[row, : len(found)] = found.to(ids.device)
            points.append(torch.from_numpy(own.points))
            first += len(own.points)
    return SoftTokens(numbers, torch.cat(points).to(ids.device)) if points else None


class PointAdapter(nn.Module):
    """A two-layer perceptron; each of its m outputs has the norm of a token embedding at first.

    Args:
        settings: sizes.
        width: D.
        norm: mean norm of the token embeddings.
    """

    def __init__(self, settings: PointSettings, width: int, norm: float) -> None:
        super().__init__()
        self.tokens, self.width = settings.tokens, width
        self.first = nn.Linear(settings.width, settings.hidden)
        self.second = nn.Linear(settings.hidden, settings.tokens * width)
        self.scale = nn.Parameter(torch.full((settings.tokens, 1), norm))

    def forward(self, points: Tensor) -> Tensor:
        """``(V, m, D)``: the soft tokens of ``points (V, d)``."""
        read = nn.functional.normalize(points.float(), dim=1) * points.shape[1] ** 0.5
        out: Tensor = self.second(nn.functional.gelu(self.first(read)))
        out = out.unflatten(1, (self.tokens, self.width)).float()
        unit = out / out.norm(dim=2, keepdim=True).clamp(min=SMALL)
        return self.scale * unit

    def fill(self, embedded: Tensor, soft: SoftTokens) -> Tensor:
        """``embedded (B, T, D)`` with the soft tokens in their places.

        Args:
            embedded: of the words.
            soft: the tokens that stand for vectors.
        """
        numbers = soft.numbers
        at = torch.arange(numbers.shape[1], device=numbers.device).expand_as(numbers)
        starts = torch.ones_like(numbers, dtype=torch.bool)
        starts[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
        nth = at - torch.where(starts, at, 0).cummax(1).values
        tokens = self(soft.points)[numbers.clamp(min=0), nth % self.tokens]
        return torch.where((numbers >= 0)[..., None], tokens.to(embedded.dtype), embedded)
