"""The field embeddings of click models: users, items, their attributes, context and side vectors.

All values of all fields share one table of embeddings. The features of a user or an item are codes
of that table, stored once for each entity and gathered for each batch.

B instances, n entities, F fields, W width of an embedding, d width of a side vector. An entity has
S single-valued fields, L lists of at most M values, and V side vectors; F = S + L + V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PADDING = 0  # the code of a list's empty places; its embedding is zero
INIT_STD = 0.01  # of embeddings


@dataclass(frozen=True, eq=False)
class Features:
    """The features of n entities; the last row describes an unknown entity, so -1 selects it.

    Attributes:
        codes: ``(n + 1, S + L * M)`` int32: the single-valued fields, then the lists, padded with
            ``PADDING``. An unknown value has the code of its field in ``unknown``.
        shares: ``(n + 1, L)`` float32, one over the number of values of each list.
        vectors: V side vectors ``(n + 1, d)`` float32; NaN rows are unknown.
        unknown: ``(S + L,)`` int32, each field's code of an unknown value.
    """

    codes: Tensor
    shares: Tensor
    vectors: tuple[Tensor, ...]
    unknown: Tensor

    @property
    def single(self) -> int:
        """S."""
        return len(self.unknown) - self.shares.shape[1]

    @property
    def fields(self) -> int:
        """F."""
        return len(self.unknown) + len(self.vectors)

    def __deepcopy__(self, memo: dict[int, object]) -> Features:
        return self  # copies of a network share its features


class SideVectors(nn.Module):
    """Projects one side vector to a field; an unknown vector has a learned embedding."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, out, bias=False)
        self.unknown = nn.Parameter(torch.empty(out))
        nn.init.normal_(self.project.weight, std=INIT_STD / width**0.5)
        nn.init.normal_(self.unknown, std=INIT_STD)

    def forward(self, vectors: Tensor) -> Tensor:
        """``(..., d)`` to ``(..., W)``; NaN rows are unknown."""
        known = ~vectors[..., :1].isnan()
        projected = self.project(torch.where(known, vectors, 0.0))
        return torch.where(known, projected, self.unknown)


class FieldEmbedding(nn.Module):
    """Embeds the fields of instances, in the order user, context, item.

    Args:
        rows: rows of the table of embeddings, ``PADDING`` included.
        users, items: the features of all users and all items.
        context_unknown: for each context field, the code of an unknown value.
        width: of the embeddings.
        first_order: whether each value also has a weight of its own, the first number of its
            embedding; W is one more then.
    """

    def __init__(
        self,
        rows: int,
        users: Features,
        items: Features,
        context_unknown: Sequence[int],
        width: int,
        *,
        first_order: bool = False,
    ) -> None:
        super().__init__()
        self.users, self.items = users, items
        self.table = nn.Embedding(rows, width, padding_idx=PADDING)
        self.weights = nn.Embedding(rows, 1, padding_idx=PADDING) if first_order else None
        with torch.no_grad():
            self.table.weight.normal_(std=INIT_STD)[PADDING] = 0
            if self.weights is not None:
                self.weights.weight.zero_()
        out = width + first_order
        self.user_vectors = nn.ModuleList(SideVectors(v.shape[1], out) for v in users.vectors)
        self.item_vectors = nn.ModuleList(SideVectors(v.shape[1], out) for v in items.vectors)
        context = torch.tensor(list(context_unknown), dtype=torch.int32)
        self._unknown = users.unknown, context, items.unknown

    @property
    def fields(self) -> int:
        """F, of users, context and items together."""
        return self.users.fields + len(self._unknown[1]) + self.items.fields

    def forward(self, users: Tensor, context: Tensor, items: Tensor) -> Tensor:
        """``(B, F, W)`` the embedded fields.

        Args:
            users, items: ``(B,)`` int64 rows; -1 is unknown.
            context: ``(B, C)`` int32 codes of the context fields.
        """
        codes = self.users.codes[users], context, self.items.codes[items]
        embedded = self.lookup(torch.cat(codes, 1))
        user, between, item = embedded.split([each.shape[1] for each in codes], 1)
        user = _pooled(user, self.users, users, self.user_vectors)
        item = _pooled(item, self.items, items, self.item_vectors)
        return torch.cat([user, between, item], 1)

    def of_items(self, items: Tensor) -> Tensor:
        """``(B, F, W)`` the embedded fields of items ``(B,)``; -1 is unknown."""
        return _pooled(self.lookup(self.items.codes[items]), self.items, items, self.item_vectors)

    def of_requests(self, users: Tensor, context: Tensor) -> Tensor:
        """``(B, F, W)`` the embedded fields of users ``(B,)`` and their context ``(B, C)``."""
        user = _pooled(self.lookup(self.users.codes[users]), self.users, users, self.user_vectors)
        return torch.cat([user, self.lookup(context)], 1)

    def lookup(self, codes: Tensor) -> Tensor:
        """``(..., W)`` the embeddings of ``codes (...)``."""
        embedded: Tensor = self.table(codes)
        if self.weights is None:
            return embedded
        return torch.cat([self.weights(codes), embedded], -1)

    def unknown(self) -> Tensor:
        """``(F, W)`` the embedding of an unknown value of each field."""
        user, context, item = (self.lookup(codes) for codes in self._unknown)
        of_users, of_items = (
            [each.unknown[None] for each in vectors]
            for vectors in (self.user_vectors, self.item_vectors)
        )
        return torch.cat([user, *of_users, context, item, *of_items])

    def dropped(self, embedded: Tensor, probability: float) -> Tensor:
        """``embedded (B, F, W)`` with some fields replaced by unknown values, at random.

        It trains the embeddings of unknown users, items and values.
        """
        mask = torch.rand(embedded.shape[:2]) < probability
        return torch.where(mask[..., None], self.unknown(), embedded)


def _pooled(embedded: Tensor, features: Features, rows: Tensor, vectors: nn.ModuleList) -> Tensor:
    """``(B, F, W)`` the fields of entities ``rows (B,)``, with the mean of each list.

    Args:
        embedded: ``(B, S + L * M, W)`` the embeddings of their codes.
        features: of all entities.
        rows: the entities.
        vectors: the networks of the side vectors.
    """
    fields = [embedded]
    if lists := features.shares.shape[1]:
        values = embedded[:, features.single :].unflatten(1, (lists, -1))
        means = values.sum(2) * features.shares[rows][..., None]
        fields = [embedded[:, : features.single], means]
    fields += [
        network(each[rows])[:, None]
        for network, each in zip(vectors, features.vectors, strict=True)
    ]
    return fields[0] if len(fields) == 1 else torch.cat(fields, 1)
