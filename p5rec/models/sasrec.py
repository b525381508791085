"""SASRec: a causal transformer over item vectors (Kang & McAuley 2018, arXiv:1808.09781).

Departures: normalisation before each layer; states and item vectors are compared by their cosine,
so that an item's popularity cannot hide in its length (NISER, Gupta et al. 2019, arXiv:1909.04276).

B histories, T events, N items, D width, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPREAD = 0.02  # of the vectors before training


@dataclass(frozen=True)
class SasrecShape:
    """How large the network is.

    Attributes:
        n_items: N.
        width: D, of the item vectors and all layers; a multiple of ``heads``.
        layers, heads: blocks, and H.
        window: the most events it reads.
        dropout: of the vectors read, and of what each layer adds.
        behaviours: how many are told apart; 0: events are items and nothing else.
    """

    n_items: int
    width: int
    layers: int
    heads: int
    window: int
    dropout: float
    behaviours: int = 0


class Sasrec(nn.Module):
    """Events in order to states, each of which points to the item that follows."""

    def __init__(self, shape: SasrecShape) -> None:
        super().__init__()
        self.items = nn.Embedding(shape.n_items, shape.width)
        self.places = nn.Embedding(shape.window, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        nn.init.normal_(self.items.weight, std=SPREAD)
        nn.init.normal_(self.places.weight, std=SPREAD)
        self.behaviours = None
        if shape.behaviours:
            self.behaviours = nn.Embedding(shape.behaviours, shape.width)
            nn.init.normal_(self.behaviours.weight, std=SPREAD)

    def forward(self, items: Tensor, done: Tensor | None = None) -> Tensor:
        """Unit states ``(B, T, D)``; what comes after an event does not change its state.

        Args:
            items: ``(B, T)`` item rows, T at most the window; shorter histories end in any item.
            done: ``(B, T)`` the behaviour of each event, where these are told apart.
        """
        width = self.items.embedding_dim
        read = self.items(items) * width**0.5 + self.places.weight[: items.shape[1]]
        if self.behaviours is not None:
            read = read + self.behaviours(done)
        states = self.dropout(read)
        for block in self.blocks:
            states = block(states)
        return F.normalize(self.norm(states), dim=-1)

    def vectors(self) -> Tensor:
        """``(N, D)`` unit vectors of the items, as states are compared with them."""
        return F.normalize(self.items.weight, dim=-1)


class Block(nn.Module):
    """Causal self-attention, then a perceptron, each added to what it read."""

    def __init__(self, shape: SasrecShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.before = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * width, width),
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        states = states + self.dropout(self.out(self._attend(self.before(states))))
        added: Tensor = self.dropout(self.perceptron(self.between(states)))
        return states + added

    def _attend(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        parts = self.queries_keys_values(states).view(batch, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        shares = scores.masked_fill(later, -torch.inf).softmax(-1)
        return (shares @ value).transpose(1, 2).reshape(batch, length, width)
