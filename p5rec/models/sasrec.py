"""SASRec: a causal transformer over item vectors (Kang & McAuley 2018, arXiv:1808.09781).

DEVIATIONS: pre-layer normalisation; scores are cosines of states and item vectors, so that
popularity cannot be encoded in a vector's norm (NISER, Gupta et al. 2019, arXiv:1909.04276).

B histories, T events, U users, N items, D width, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INIT_STD = 0.02  # of the initial embeddings


@dataclass(frozen=True)
class SasrecShape:
    """The size of the network.

    Attributes:
        n_items: N; 0: events come as vectors, and :meth:`Sasrec.encode` alone is called.
        width: D, of the item vectors and all layers; a multiple of ``heads``.
        layers: number of blocks.
        heads: H.
        window: maximum number of events of the input.
        dropout: rate, on the input embeddings and on each layer's output.
        behaviours: number of distinguished behaviours; 0: events are items only.
        users: U, the number of users with embeddings; 0: users are unknown.
    """

    n_items: int
    width: int
    layers: int
    heads: int
    window: int
    dropout: float
    behaviours: int = 0
    users: int = 0


class Sasrec(nn.Module):
    """Maps events in order to states; each state predicts the next item."""

    def __init__(self, shape: SasrecShape) -> None:
        super().__init__()
        self.items = nn.Embedding(shape.n_items, shape.width)
        self.positions = nn.Embedding(shape.window, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        nn.init.normal_(self.items.weight, std=INIT_STD)
        nn.init.normal_(self.positions.weight, std=INIT_STD)
        self.behaviours = None
        if shape.behaviours:
            self.behaviours = nn.Embedding(shape.behaviours, shape.width)
            nn.init.normal_(self.behaviours.weight, std=INIT_STD)
        self.users = None
        if shape.users:  # the last row, of an unknown user, stays 0
            self.users = nn.Embedding(shape.users + 1, shape.width, padding_idx=shape.users)
            nn.init.normal_(self.users.weight[:-1], std=INIT_STD)

    def forward(
        self,
        items: Tensor,
        done: Tensor | None = None,
        users: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Unit states ``(B, T, D)``; a state depends on its event and earlier ones only.

        Args:
            items: ``(B, T)`` items, T at most the window; shorter histories are padded on the
                right with any item.
            done: ``(B, T)`` the behaviour of each event, if behaviours are distinguished.
            users: ``(B, T)`` the user of each event, U if unknown; if users have embeddings.
            positions: ``(T,)`` below the window; None: 0 to T - 1.
        """
        return self.encode(self.items(items), done, users, positions)

    def encode(
        self,
        vectors: Tensor,
        done: Tensor | None = None,
        users: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Unit states ``(B, T, D)`` of events whose items have ``vectors (B, T, D)``."""
        if positions is None:
            positions = torch.arange(vectors.shape[1])
        embedded = vectors * vectors.shape[-1] ** 0.5 + self.positions(positions)
        if self.behaviours is not None:
            embedded = embedded + self.behaviours(done)
        if self.users is not None:
            embedded = embedded + self.users(users)
        states = self.dropout(embedded)
        for block in self.blocks:
            states = block(states)
        return F.normalize(self.norm(states), dim=-1)

    def vectors(self) -> Tensor:
        """``(N, D)`` unit vectors of the items."""
        return F.normalize(self.items.weight, dim=-1)


class Block(nn.Module):
    """Causal self-attention, then a perceptron, each with a residual connection."""

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
        projected = self.queries_keys_values(states).view(batch, length, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        return (weights @ value).transpose(1, 2).reshape(batch, length, width)
