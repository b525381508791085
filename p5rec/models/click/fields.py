"""The field embeddings of click models: users, items, their attributes, context and side vectors.

All values of all fields share one table of embeddings. The features of a user or an item are codes
of that table, stored once for each entity and gathered for each batch.

B instances, n entities, F fields, D width of an embedding, d width of a side vector. An entity has
S single-valued fields, L lists of at most M values, and V side vectors; F = S + L + V.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PADDING = 0  # the code of a list's empty places; its embedding is zero
INIT_STD = 0.01  # of embeddings


@dataclass(frozen=True, eq=False)
class Values:
    """The values of the fields of B instances.

    Attributes:
        singles: ``(B, S)`` int64 codes.
        lists: ``(B, L, M)`` int64 codes, padded with ``PADDING``.
        shares: ``(B, L)`` float32, one over the number of values of each list.
        vectors: V side vectors ``(B, d)`` float32; NaN rows are unknown.
    """

    singles: Tensor
    lists: Tensor
    shares: Tensor
    vectors: tuple[Tensor, ...]

    def dropped(self, unknown: Tensor, probability: float) -> Values:
        """The values with some of them replaced by the unknown one of their field, at random.

        Args:
            unknown: ``(S + L,)`` int64, each field's code of an unknown value.
            probability: of each value.
        """
        count, single = self.singles.shape
        codes = len(unknown)
        mask = torch.rand(count, codes + len(self.vectors)) < probability
        alone, listed = unknown.split([single, codes - single])
        lists, shares = self.lists, self.shares
        if codes > single:
            empty = torch.zeros_like(lists[0])
            empty[:, 0] = listed
            lists = torch.where(mask[:, single:codes, None], empty, lists)
            shares = torch.where(mask[:, single:codes], 1.0, shares)
        vectors = [
            torch.where(mask[:, codes + n, None], torch.nan, each)
            for n, each in enumerate(self.vectors)
        ]
        return Values(
            torch.where(mask[:, :single], alone, self.singles), lists, shares, tuple(vectors)
        )


@dataclass(frozen=True, eq=False)
class Features:
    """The features of n entities; the last row describes an unknown entity, so -1 selects it.

    Attributes:
        singles: ``(n + 1, S)`` int64 codes. An unknown value has the code of its field in
            ``unknown``.
        lists: ``(n + 1, L, M)`` int64 codes, padded with ``PADDING``.
        shares: ``(n + 1, L)`` float32, one over the number of values of each list.
        unknown: ``(S + L,)`` int64, each field's code of an unknown value.
        vectors: V side vectors ``(n + 1, d)`` float32; NaN rows are unknown.
    """

    singles: Tensor
    lists: Tensor
    shares: Tensor
    unknown: Tensor
    vectors: tuple[Tensor, ...] = ()

    @property
    def fields(self) -> int:
        """F."""
        return len(self.unknown) + len(self.vectors)

    def take(self, rows: Tensor, adapters: Iterable[nn.Module] | None = None) -> Values:
        """The values of the entities ``rows (B,)``.

        Args:
            rows: the entities.
            adapters: maps each side vector to another one, once for each distinct entity.
        """
        if adapters is None:
            vectors = tuple(each[rows] for each in self.vectors)
        else:
            distinct, at = torch.unique(rows, return_inverse=True)
            pairs = zip(adapters, self.vectors, strict=True)
            vectors = tuple(gathered(adapter(each[distinct]), at) for adapter, each in pairs)
        return Values(self.singles[rows], self.lists[rows], self.shares[rows], vectors)

    def __deepcopy__(self, memo: dict[int, object]) -> Features:
        return self  # copies of a network share its features


class SideVectors(nn.Module):
    """Projects one side vector; an unknown one has an embedding."""

    def __init__(self, width: int, out: int, std: float) -> None:
        super().__init__()
        self.project = nn.Parameter(torch.randn(width, out) * (std / width**0.5))
        self.unknown = nn.Parameter(torch.randn(out) * std)

    def forward(self, vectors: Tensor) -> Tensor:
        """``(B, d)`` to ``(B, D)``; NaN rows are unknown."""
        known = ~vectors[:, :1].isnan()
        projected = torch.where(known, vectors, 0.0) @ self.project
        return torch.where(known, projected, self.unknown)


class Lookup(nn.Module):
    """A vector of D numbers for each value of each field.

    Args:
        rows: rows of the table, ``PADDING`` included.
        widths: d of each side vector of users, and of items.
        width: D.
        std: standard deviation of the initial numbers.
    """

    def __init__(self, rows: int, widths: Sequence[Sequence[int]], width: int, std: float) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(rows, width) * std)
        self.table.data[PADDING] = 0
        self.table.register_post_accumulate_grad_hook(_without_padding)
        self.of_users, self.of_items = (
            nn.ModuleList(SideVectors(d, width, std) for d in own) for own in widths
        )

    def forward(self, users: Values, context: Tensor, items: Values) -> Tensor:
        """``(B, F, D)`` the fields of users, context and items, in one gather.

        Args:
            users, items: their values.
            context: ``(B, C)`` int64 codes.
        """
        groups = [users.singles, context, items.singles, *map(_flat, (users, items))]
        codes = torch.cat([each for each in groups if each.shape[1]], 1)
        embedded = gathered(self.table, codes)
        sizes = [each.shape[1] for each in groups]
        if not (sizes[3] or sizes[4] or users.vectors or items.vectors):
            return embedded
        user, between, item, *listed = embedded.split(sizes, 1)
        return torch.cat(
            [
                user, *_means(users, listed[0]), *_projected(users, self.of_users),
                between,
                item, *_means(items, listed[1]), *_projected(items, self.of_items),
            ],
            1,
        )  # fmt: skip

    def items(self, values: Values) -> Tensor:
        """``(B, F, D)`` the fields of items alone."""
        listed = gathered(self.table, _flat(values))
        projected = _projected(values, self.of_items)
        alone = gathered(self.table, values.singles)
        return torch.cat([alone, *_means(values, listed), *projected], 1)

    def requests(self, users: Values, context: Tensor) -> Tensor:
        """``(B, F, D)`` the fields of users and their context ``(B, C)``."""
        listed = gathered(self.table, _flat(users))
        projected = _projected(users, self.of_users)
        alone = [gathered(self.table, codes) for codes in (users.singles, context)]
        return torch.cat([alone[0], *_means(users, listed), *projected, alone[1]], 1)


def gathered(table: Tensor, rows: Tensor) -> Tensor:
    """``(..., D)`` the rows ``(...)`` of ``table (n, D)``.

    On processors, the gradient of ``index_select`` is several times as fast as that of an
    embedding.
    """
    return table.index_select(0, rows.flatten()).view(*rows.shape, table.shape[1])


def _without_padding(table: Tensor) -> None:
    assert table.grad is not None, "called after its gradient"
    table.grad[PADDING] = 0


def _flat(values: Values) -> Tensor:
    return values.lists.flatten(1)


def _means(values: Values, listed: Tensor) -> list[Tensor]:
    """``(B, L, D)`` the mean of each list, from ``(B, L * M, D)``; nothing without lists."""
    if not (lists := values.lists.shape[1]):
        return []
    return [listed.unflatten(1, (lists, -1)).sum(2) * values.shares[..., None]]


def _projected(values: Values, networks: nn.ModuleList) -> list[Tensor]:
    return [network(each)[:, None] for network, each in zip(networks, values.vectors, strict=True)]


class Adapter(nn.Module):
    """Maps a side vector to another one, row by row. NaN rows, which are unknown, stay NaN.

    Attributes:
        width: of its output.
    """

    width: int


class Adapters(nn.Module):
    """Networks between the side vectors and the click model.

    Args:
        users, items: one for each side vector.
    """

    def __init__(self, users: Sequence[Adapter], items: Sequence[Adapter]) -> None:
        super().__init__()
        self.users, self.items = nn.ModuleList(users), nn.ModuleList(items)
        self.widths = [[each.width for each in own] for own in (users, items)]


class FieldEmbedding(nn.Module):
    """The features of all users and items, and the embeddings of their values.

    Args:
        rows: rows of the table of embeddings, ``PADDING`` included.
        users, items: the features of all users and all items.
        context_unknown: for each context field, the code of an unknown value.
        width: D of the embeddings; 0: none.
        first_order: whether each value also has a weight of its own.
        adapters: of the side vectors; None: they are read as they are.
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
        adapters: Adapters | None = None,
    ) -> None:
        super().__init__()
        self.users, self.items, self.adapters = users, items, adapters
        self.context_unknown = torch.tensor(list(context_unknown), dtype=torch.int64)
        widths = [[each.shape[1] for each in own.vectors] for own in (users, items)]
        if adapters is not None:
            widths = adapters.widths
        self.embeddings = Lookup(rows, widths, width, INIT_STD)
        self.weights = Lookup(rows, widths, 1, 0.0) if first_order else None

    def forward(
        self, users: Tensor, context: Tensor, items: Tensor, dropout: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """The embedded fields ``(B, F, D)``, and the sums ``(B,)`` of first-order weights.

        Args:
            users, items: ``(B,)`` int64 rows; -1 is unknown.
            context: ``(B, C)`` int64 codes of the context fields.
            dropout: the share of values that are replaced by the unknown one of their field, at
                random, which trains its embedding.
        """
        user, item = self._users(users), self._items(items)
        if dropout:
            user = user.dropped(self.users.unknown, dropout)
            item = item.dropped(self.items.unknown, dropout)
            mask = torch.rand(context.shape) < dropout
            context = torch.where(mask, self.context_unknown, context)
        embedded: Tensor = self.embeddings(user, context, item)
        if self.weights is None:
            return embedded, None
        return embedded, self.weights(user, context, item).sum((1, 2))

    def of_items(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """As :meth:`forward`, of the fields of items ``rows (B,)`` alone."""
        values = self._items(rows)
        first = None if self.weights is None else self.weights.items(values).sum((1, 2))
        return self.embeddings.items(values), first

    def of_requests(self, users: Tensor, context: Tensor) -> tuple[Tensor, Tensor | None]:
        """As :meth:`forward`, of ``users (B,)`` and their ``context (B, C)`` alone."""
        values = self._users(users)
        embedded: Tensor = self.embeddings.requests(values, context)
        if self.weights is None:
            return embedded, None
        return embedded, self.weights.requests(values, context).sum((1, 2))

    def _users(self, rows: Tensor) -> Values:
        adapters = None if self.adapters is None else self.adapters.users
        return self.users.take(rows, adapters)

    def _items(self, rows: Tensor) -> Values:
        adapters = None if self.adapters is None else self.adapters.items
        return self.items.take(rows, adapters)
