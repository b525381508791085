"""The fields of a data set as codes of one embedding table, for click models.

- The id of each user and item; an item's may be a list of other values (:mod:`.item_values`).
- Text attributes: a field each; lists of text: a field each, the mean of their values.
- Numbers, of users, items and the context: cut at ``BINS`` quantiles of the training data.
- Context columns with categories: a field each.
- Side vectors, standardised over the training entities.

Everything comes from training events: an entity counts as known if it has one, and a text value if
``SHARED`` known entities have it. Anything else has the unknown value of its field. An attribute
without two known values is no field.

n users or items, S single-valued fields, L lists of at most M values, V side vectors of width d.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from p5rec.core.errors import input_error
from p5rec.core.features import Categories, Context, Users, attribute_values
from p5rec.core.types import Catalog, Corpus, Histories
from p5rec.data.vector_store import VectorStore

from .item_values import ItemValues

BINS = 32  # of numbers
SHARED = 2  # known entities with a text value, at least
LONGEST = 20  # values of a list that are read
ARRAYS = ("singles", "lists", "shares", "unknown")
UNKNOWN = -1  # the row of an unknown user or item
PADDING = 0  # the code of a list's empty places


class CodeTable:
    """Assigns blocks of codes: each field has an unknown value, and then its known ones."""

    def __init__(self) -> None:
        self.rows = PADDING + 1

    def block(self, values: int) -> int:
        """The code of the unknown value of a field with ``values`` known ones."""
        start = self.rows
        self.rows += 1 + values
        return start


@dataclass(frozen=True, eq=False)
class EntityFields:
    """The fields of n users or items; the last row describes an unknown one.

    Attributes:
        names: of the S + L + V fields.
        singles: ``(n + 1, S)`` int64 codes.
        lists: ``(n + 1, L, M)`` int64 codes, padded.
        shares: ``(n + 1, L)`` float32, one over the number of values of each list.
        unknown: ``(S + L,)`` int64, the code of the unknown value of each field.
        vectors: name → ``(n + 1, d)`` float32, NaN rows unknown.
    """

    names: tuple[str, ...]
    singles: np.ndarray
    lists: np.ndarray
    shares: np.ndarray
    unknown: np.ndarray
    vectors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ContextField:
    """A field of the context.

    Attributes:
        name: of the column.
        start: the code of its unknown value.
        values: the known categories, whose codes follow; None: it is a number.
        edges: the borders between the bins of a number.
    """

    name: str
    start: int
    values: tuple[str, ...] | None = None
    edges: tuple[float, ...] = ()

    def codes(self, column: Context | None, count: int) -> np.ndarray:
        """``(B,)`` int64 codes of a column; None: unknown for all ``count`` requests."""
        if column is None:
            return np.full(count, self.start, dtype=np.int64)
        if isinstance(column, Categories):
            known = {value: self.start + 1 + n for n, value in enumerate(self.values or ())}
            of_value = [known.get(value, self.start) for value in column.values]
            codes = np.array([*of_value, self.start], dtype=np.int64)
            return codes[column.codes]
        return _binned(column.astype(np.float64), np.array(self.edges), self.start)


@dataclass(frozen=True, eq=False)
class DataFields:
    """All fields of a data set.

    Attributes:
        rows: of the embedding table.
        users, items: the fields of users and of items.
        context: the fields of the context.
    """

    rows: int
    users: EntityFields
    items: EntityFields
    context: tuple[ContextField, ...] = field(default=())

    def context_codes(self, histories: Histories) -> np.ndarray:
        """``(B, C)`` int64: the codes of the requests' context."""
        columns = [
            each.codes(histories.context.get(each.name), len(histories)) for each in self.context
        ]
        return np.stack(columns, 1) if columns else np.zeros((len(histories), 0), np.int64)


def fields_of(
    corpus: Corpus,
    stores: Mapping[str, VectorStore],
    item_values: ItemValues | None = None,
    attributes: Collection[str] | None = None,
) -> DataFields:
    """The fields of ``corpus``; those of text values and numbers come from its training events.

    Args:
        corpus: the data.
        stores: side vectors of users or items, by name.
        item_values: the values of the items' ids; None: each known item has its own.
        attributes: of users and items, those that are fields; None: all.

    Raises:
        UserError: a store has vectors of events, or of none of the users or items.
    """
    log, train, table = corpus.interactions, corpus.split.mask("train"), CodeTable()
    keys = {"users": log.user_keys, "items": log.item_keys}
    rows = {"users": log.users[train], "items": log.items[train]}
    known = {of: np.bincount(rows[of], minlength=len(keys[of])) > 0 for of in keys}
    vectors: dict[str, dict[str, np.ndarray]] = {"users": {}, "items": {}}
    for name, store in stores.items():
        if store.about.of not in vectors:
            raise input_error(
                f"vectors {name}", "vectors of users or items", f"those of {store.about.of}",
                "name other vectors",
            )  # fmt: skip
        of = store.about.of
        vectors[of][name] = standardised(store.rows(keys[of]), known[of])
    users = entity_fields(
        corpus.users, known["users"], vectors["users"], table, attributes=attributes
    )
    context = [_context_field(name, each, train, table) for name, each in log.context.items()]
    items = entity_fields(
        corpus.catalog, known["items"], vectors["items"], table, item_values, attributes
    )
    return DataFields(table.rows, users, items, tuple(each for each in context if each))


def entity_fields(
    entities: Users | Catalog,
    known: np.ndarray,
    vectors: Mapping[str, np.ndarray],
    table: CodeTable,
    own: ItemValues | None = None,
    attributes: Collection[str] | None = None,
) -> EntityFields:
    """The fields of users or items.

    Args:
        entities: n of them.
        known: ``(n,)`` bool, those with training events.
        vectors: side vectors ``(n, d)`` by name.
        table: assigns the codes.
        own: the values of their ids; None: each known entity has its own.
        attributes: those that are fields; None: all.
    """
    singles: dict[str, tuple[int, np.ndarray]] = {}
    lists: dict[str, tuple[int, list[list[int]]]] = {}
    start = table.block(int(known.sum()) if own is None else own.rows)
    if own is None:
        singles["id"] = start, np.where(known, start + np.cumsum(known), start)
    else:
        lists["id"] = start, [[start + value for value in each] for each in own.values]
    for name in entities.attributes:
        if attributes is not None and name not in attributes:
            continue
        column = entities.table.column(name)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            numbers = np.array(column.cast(pa.float64()).to_pylist(), dtype=np.float64)
            edges = bin_edges(numbers[known])
            if len(edges):
                start = table.block(len(edges) + 1)
                singles[name] = start, _binned(numbers, edges, start)
            continue
        values = attribute_values(entities.table, name)
        codes = _value_codes(values, known)
        if len(codes) < 2:
            continue
        start = table.block(len(codes))
        read = [[start + codes[v] for v in own if v in codes][:LONGEST] for own in values]
        if any(len(own) > 1 for own in values):
            lists[name] = start, read
        else:
            singles[name] = start, np.array([own[0] if own else start for own in read])
    return _entity_fields(singles, lists, vectors, len(known))


def standardised(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``(n, d)`` float32 with mean 0 and deviation 1 over the ``known (n,)`` entities with a
    vector; a number that is the same in all of these keeps its scale."""
    have = vectors[known & ~np.isnan(vectors[:, 0])]
    if not len(have):
        have = vectors[~np.isnan(vectors[:, 0])]
    deviation = have.std(0)
    scaled = (vectors - have.mean(0)) / np.where(deviation > 1e-6, deviation, 1)
    return scaled.astype(np.float32)


def bin_edges(numbers: np.ndarray) -> np.ndarray:
    """The borders between the bins of ``numbers``, NaN where unknown; empty if all are equal."""
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) < 2:
        return np.zeros(0)
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1]))
    edges = edges[edges > distinct[0]]
    return edges if len(edges) else distinct[1:2]


def _binned(numbers: np.ndarray, edges: np.ndarray, start: int) -> np.ndarray:
    codes = start + 1 + np.searchsorted(edges, numbers, side="right")
    return np.where(np.isfinite(numbers), codes, start).astype(np.int64)


def _value_codes(values: Sequence[tuple[str, ...]], known: np.ndarray) -> dict[str, int]:
    """A number from 1 for each text value that enough ``known (n,)`` entities share."""
    counts: Counter[str] = Counter()
    for row in np.flatnonzero(known).tolist():
        counts.update(set(values[row]))
    shared = sorted(value for value, count in counts.items() if count >= SHARED)
    return {value: 1 + n for n, value in enumerate(shared)}


def _entity_fields(
    singles: Mapping[str, tuple[int, np.ndarray]],
    lists: Mapping[str, tuple[int, list[list[int]]]],
    vectors: Mapping[str, np.ndarray],
    count: int,
) -> EntityFields:
    """Joins single-valued fields, lists and vectors, each with its code of an unknown value."""
    unknown = [start for start, _ in (*singles.values(), *lists.values())]
    codes = [np.append(codes, start) for start, codes in singles.values()]
    longest = max((len(own) for _, read in lists.values() for own in read), default=0)
    listed = np.full((count + 1, len(lists), max(1, longest)), PADDING, dtype=np.int64)
    shares = np.ones((count + 1, len(lists)), dtype=np.float32)
    for n, (start, read) in enumerate(lists.values()):
        listed[:, n, 0] = start
        for row, own in enumerate(read):
            if own:
                listed[row, n, : len(own)] = own
                shares[row, n] = 1 / len(own)
    return EntityFields(
        (*singles, *lists, *vectors),
        np.stack(codes, 1) if codes else np.zeros((count + 1, 0), np.int64),
        listed,
        shares,
        np.array(unknown, dtype=np.int64),
        {name: _with_unknown(each) for name, each in vectors.items()},
    )


def _with_unknown(vectors: np.ndarray) -> np.ndarray:
    return np.concatenate([vectors, np.full_like(vectors[:1], np.nan)])


def _context_field(
    name: str, column: Context, train: np.ndarray, table: CodeTable
) -> ContextField | None:
    """The field of a context column; None if training has fewer than two values."""
    if isinstance(column, Categories):
        seen = np.unique(column.codes[train & (column.codes >= 0)])
        values = tuple(column.values[code] for code in seen.tolist())
        return ContextField(name, table.block(len(values)), values) if len(values) > 1 else None
    edges = bin_edges(column[train].astype(np.float64))
    if not len(edges):
        return None
    return ContextField(name, table.block(len(edges) + 1), None, tuple(edges.tolist()))


@dataclass(frozen=True, eq=False)
class UserIndex:
    """Finds the rows of users by key, so that other data may number users differently.

    Attributes:
        keys: ``(U,)`` uint64 keys of the users' external ids.
    """

    keys: np.ndarray

    @cached_property
    def _ordered(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.keys, kind="stable")
        return order, self.keys[order]

    def rows(self, histories: Histories) -> np.ndarray:
        """``(B,)`` int64 rows of the users of B requests; ``UNKNOWN`` where not found.

        Requests without keys are taken by their user rows.
        """
        rows, (order, keys) = histories.users.astype(np.int64), self._ordered
        if histories.keys is None or not len(keys):
            return np.where(rows < len(keys), rows, UNKNOWN)
        at = np.minimum(np.searchsorted(keys, histories.keys), len(keys) - 1)
        found = (keys[at] == histories.keys) & (rows >= 0)
        return np.where(found, order[at], UNKNOWN)


def dumped(fields: DataFields) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The fields as plain data and arrays, for :func:`restored`."""
    about: dict[str, Any] = {
        "rows": fields.rows,
        "context": [vars(each) for each in fields.context],
    }
    arrays: dict[str, np.ndarray] = {}
    for of, own in (("users", fields.users), ("items", fields.items)):
        about[of] = {"names": own.names, "vectors": list(own.vectors)}
        for name in ARRAYS:
            arrays[f"{of}.{name}"] = getattr(own, name)
        arrays |= {f"{of}.vectors.{name}": each for name, each in own.vectors.items()}
    return about, arrays


def restored(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> DataFields:
    """The fields that :func:`dumped` took apart."""
    users, items = (
        EntityFields(
            names=tuple(about[of]["names"]),
            vectors={name: arrays[f"{of}.vectors.{name}"] for name in about[of]["vectors"]},
            **{name: arrays[f"{of}.{name}"] for name in ARRAYS},
        )
        for of in ("users", "items")
    )
    context = tuple(
        ContextField(
            each["name"],
            each["start"],
            None if each["values"] is None else tuple(each["values"]),
            tuple(each["edges"]),
        )
        for each in about["context"]
    )
    return DataFields(about["rows"], users, items, context)
