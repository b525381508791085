"""DIN (Zhou et al. 2018, arXiv:1706.06978): attention of the candidate item to the history.

E is the width of an embedded item, H that of the attention's first layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .interaction import History, Interaction
from .layers import Perceptron


class TargetAttention(nn.Module):
    """Weights each event of a history by a perceptron over query, key, difference and product.

    As in the paper, the weights are not normalised. The first layer is linear in its four inputs,
    so its parts for query and key are computed once for each query and each key.
    """

    def __init__(self, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        first, *rest = hidden
        self.first = nn.Linear(4 * width, first)
        self.activation = nn.PReLU()
        layers: list[nn.Module] = []
        for before, after in zip(hidden, rest, strict=False):
            layers += [nn.Linear(before, after), nn.PReLU()]
        self.rest = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, query: Tensor, keys: Tensor, real: Tensor) -> Tensor:
        """``(B, E)`` the weighted sum of the keys.

        Args:
            query: ``(B, E)``.
            keys: ``(B, T, E)``, or ``(1, T, E)`` for all queries.
            real: ``(B, T)`` or ``(1, T)`` bool; the other keys have no weight.
        """
        of_query, of_key, of_gap, of_product = self.first.weight.chunk(4, 1)
        from_query = query @ (of_query + of_gap).T + self.first.bias
        from_key = keys @ (of_key - of_gap).T
        product = (query[:, None] * keys) @ of_product.T
        scores = self.rest(self.activation(product + from_key + from_query[:, None]))[..., 0]
        weights = torch.where(real, scores, 0.0)
        if len(keys) == 1:
            return weights @ keys[0]
        pooled: Tensor = (weights[:, None] @ keys)[:, 0]
        return pooled


class Din(Interaction):
    """A perceptron reads the fields and the history, pooled by target attention.

    An event of the history is its item's embedded fields plus an embedding of its label.

    Args:
        fields: F.
        item_fields: the number of the item's fields, the last of the F.
        width: D.
        attention: widths of the attention's layers.
        hidden: widths of the perceptron's layers.
        dropout: rate in the perceptron.
    """

    def __init__(
        self,
        fields: int,
        item_fields: int,
        width: int,
        attention: Sequence[int],
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.item_fields, size = item_fields, item_fields * width
        self.labels = nn.Embedding(3, size)
        self.attention = TargetAttention(size, attention)
        self.perceptron = Perceptron(fields * width + size, hidden, dropout)
        self.out = nn.Linear(self.perceptron.width, 1, bias=False)
        nn.init.zeros_(self.labels.weight)

    def forward(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        out: Tensor = self.out(self.represent(embedded, history))[:, 0]
        return out

    def represent(self, embedded: Tensor, history: History | None = None) -> Tensor:
        """See :class:`.interaction.Interaction`."""
        assert history is not None, "DIN reads the history"
        query = embedded[:, -self.item_fields :].flatten(1)
        keys = history.items + self.labels(history.labels)
        interest = self.attention(query, keys, history.real)
        deep: Tensor = self.perceptron(torch.cat([embedded.flatten(1), interest], 1))
        return deep
