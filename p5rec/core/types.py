"""The core data types: immutable values that stages take and return.

External ids (the ids in the user's files) exist only in :class:`Catalog` and :class:`Users`.
Elsewhere users and items are row numbers of these tables; random draws use keys (hashes of the
ids). E events, U users, N items, B requests, S total length of B histories, K list length, L code
levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from .features import Behaviours, Context, Users, attribute_values, take_context
from .rng import event_keys

TRAIN, VALID, TEST = 0, 1, 2
NOBODY = -1  # the user of a request that comes from no user of the data
SPLITS: Mapping[str, int] = {"train": TRAIN, "valid": VALID, "test": TEST}


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events sorted by user, then time; a seeded shuffle orders equal times.

    Attributes:
        users: ``(E,)`` int32 user row numbers, ascending.
        items: ``(E,)`` int32 item row numbers.
        times: ``(E,)`` int64, seconds since 1970 UTC; positions if the source has only an order.
        ratings: ``(E,)`` float32, or None if the source has none.
        texts: text columns of length E, for example ``review`` and ``summary``.
        user_keys, item_keys: ``(U,)`` and ``(N,)`` uint64, the keys of their external ids
            (:func:`p5rec.core.rng.id_keys`).
        baskets: ``(E,)`` int64, ascending: the basket number of each event. A basket is an
            unordered set of one user's events. None means that each event is its own basket.
            Events of other than target behaviours share no basket with target events; their
            numbers are moments.
        context: further columns of the events by name, numeric or categorical.
        labels: ``(E,)`` int8, 1 positive, 0 negative, -1 unknown; None if the data have no labels.
        behaviours: the behaviour of each event; None if all events are of one kind.
        dated: whether times are moments, comparable between users; else they are positions.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    ratings: np.ndarray | None
    user_keys: np.ndarray
    item_keys: np.ndarray
    texts: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    baskets: np.ndarray | None = None
    context: Mapping[str, Context] = field(default_factory=dict)
    labels: np.ndarray | None = None
    behaviours: Behaviours | None = None
    dated: bool = True

    def __len__(self) -> int:
        return len(self.users)

    @property
    def n_users(self) -> int:
        """U."""
        return len(self.user_keys)

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.item_keys)

    @cached_property
    def event_keys(self) -> np.ndarray:
        """``(E,)`` uint64, unique: by user, item, time and occurrence among equal events."""
        users, items = self.user_keys[self.users], self.item_keys[self.items]
        return event_keys(users, items, self.times)

    @property
    def moments(self) -> np.ndarray:
        """``(E,)`` ascending for each user: the baskets, or the times if there are no baskets.
        Events of one moment have no order."""
        return self.times if self.baskets is None else self.baskets

    @cached_property
    def offsets(self) -> np.ndarray:
        """``(U+1,)`` int64: user ``u`` has the events ``offsets[u]:offsets[u+1]``."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def is_target(self) -> np.ndarray:
        """``(E,)`` bool: events of target behaviours; the others only appear in histories."""
        return np.ones(len(self), bool) if self.behaviours is None else self.behaviours.is_target

    @cached_property
    def weights(self) -> np.ndarray:
        """``(E,)`` float64: the weight of each event in a user-item matrix."""
        return np.ones(len(self)) if self.behaviours is None else self.behaviours.event_weights

    def content_at(self, events: np.ndarray) -> dict[str, Any]:
        """All fields of ``events`` except user and time, as arguments of :func:`replace`."""
        return {
            "items": self.items[events],
            "ratings": None if self.ratings is None else self.ratings[events],
            "texts": {name: column.take(events) for name, column in self.texts.items()},
            "context": self.context_at(events),
            "labels": None if self.labels is None else self.labels[events],
            "behaviours": None if self.behaviours is None else self.behaviours.take(events),
        }

    def context_at(self, events: np.ndarray) -> dict[str, Context]:
        """The context columns of ``events``."""
        return {name: take_context(each, events) for name, each in self.context.items()}

    def take(self, events: np.ndarray) -> Interactions:
        """The events with the ascending indices ``events``."""
        baskets = None if self.baskets is None else self.baskets[events]
        own = {"users": self.users[events], "times": self.times[events], "baskets": baskets}
        return replace(self, **own, **self.content_at(events))


@dataclass(frozen=True, eq=False)
class Catalog:
    """The item table, one row per item.

    Attributes:
        table: columns ``item`` (unique external id), ``title``, and any attributes
            (strings, numbers, or lists of strings).
    """

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> list[str]:
        """External ids, ``(N,)``."""
        ids: list[str] = self.table.column("item").to_pylist()
        return ids

    @cached_property
    def titles(self) -> list[str]:
        """Titles, ``(N,)``; an item without a title has ``item`` and its external id."""
        titles: list[str | None] = self.table.column("title").to_pylist()
        return [t or f"item {i}" for t, i in zip(titles, self.ids, strict=True)]

    @cached_property
    def own_titles(self) -> list[str]:
        """``(N,)`` titles that say more than the id; "" for an item without one."""
        titles: list[str | None] = self.table.column("title").to_pylist()
        return [t if t and t != i else "" for t, i in zip(titles, self.ids, strict=True)]

    def take(self, rows: np.ndarray) -> Catalog:
        """The items ``rows``, in that order."""
        return Catalog(self.table.take(rows))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attribute columns."""
        return tuple(c for c in self.table.column_names if c not in ("item", "title"))

    def values(self, attribute: str) -> list[tuple[str, ...]]:
        """Values of one attribute as ``(N,)`` tuples of strings; empty where unknown."""
        return attribute_values(self.table, attribute)


@dataclass(frozen=True, eq=False)
class Split:
    """The split of the events into training, validation and test.

    Attributes:
        name: the rule, e.g. ``leave-one-out`` (see ``p5rec.data.split``).
        of_event: ``(E,)`` int8 of ``TRAIN``, ``VALID``, ``TEST``.
        seed: the seed of the rule's draws.
        exclude_seen: whether recommendations on validation exclude the items of the history, as
            those of the evaluation do. Hyper-parameters are chosen under this protocol.
        profile: ``(E,)`` bool: training events from which texts about the user are written; they
            are no targets of click training. None if the data have no such events.
    """

    name: str
    of_event: np.ndarray
    seed: int = 0
    exclude_seen: bool = True
    profile: np.ndarray | None = None

    def mask(self, *names: str) -> np.ndarray:
        """``(E,)`` bool: events in any of the named splits."""
        return np.isin(self.of_event, [SPLITS[name] for name in names])


@dataclass(frozen=True, eq=False)
class Corpus:
    """One prepared data set: events, items, users and the split."""

    interactions: Interactions
    catalog: Catalog
    users: Users
    split: Split

    @property
    def user_ids(self) -> list[str]:
        """External ids of the users, ``(U,)``."""
        return self.users.ids

    def with_validation(self, *, exclude_seen: bool) -> Corpus:
        """A copy whose validation recommendations exclude seen items, or include them."""
        return replace(self, split=replace(self.split, exclude_seen=exclude_seen))


def group_numbers(*columns: np.ndarray) -> np.ndarray:
    """``(E,)`` int64 group numbers, ascending from 0.

    Consecutive entries that are equal in every one of ``columns (E,)`` share a number.
    """
    new = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The concatenated indices of B ranges.

    Args:
        starts, lengths: ``(B,)`` the first index and the length of each range.

    Returns:
        ``(S,)`` int64, the indices of all ranges; ``(B + 1,)`` int64, the offsets of the ranges.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


@dataclass(frozen=True, eq=False)
class Histories:
    """B requests, each a user and a history (oldest event first), as one ragged array.

    Attributes:
        users: ``(B,)`` int32 user row numbers, or ``NOBODY``.
        items: ``(S,)`` int32 item row numbers of all histories, concatenated.
        offsets: ``(B+1,)`` int64: request ``b`` has ``items[offsets[b]:offsets[b+1]]``.
        keys: ``(B,)`` uint64, the keys of a request's random draws; None uses its number.
        baskets: ``(S,)`` int64, ascending within a request: the basket of each entry of
            ``items``; None means that each entry is its own basket.
        behaviours: the behaviours of the S events; None if all are of one kind.
        labels: ``(S,)`` int8, 1 positive, 0 negative, -1 unknown: the label of each event; None if
            the data have no labels.
        ratings: ``(S,)`` float32, NaN where unknown; None if the data have no ratings.
        context: the context of the B requests by column; empty if it is unknown.
    """

    users: np.ndarray
    items: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray | None = None
    baskets: np.ndarray | None = None
    behaviours: Behaviours | None = None
    labels: np.ndarray | None = None
    ratings: np.ndarray | None = None
    context: Mapping[str, Context] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, b: int) -> np.ndarray:
        return self.items[self.offsets[b] : self.offsets[b + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """``(B,)`` the number of events of each request."""
        return np.diff(self.offsets)

    @property
    def request_keys(self) -> np.ndarray:
        """``(B,)`` uint64 keys of the requests; their numbers, where there are none."""
        return np.arange(len(self), dtype=np.uint64) if self.keys is None else self.keys

    def take(self, chosen: np.ndarray) -> Histories:
        """The requests with the indices ``chosen``, in that order."""
        source, offsets = ranges(self.offsets[:-1][chosen], self.lengths[chosen])
        return Histories(
            self.users[chosen],
            self.items[source],
            offsets,
            None if self.keys is None else self.keys[chosen],
            **self._at(source),
            context={name: take_context(each, chosen) for name, each in self.context.items()},
        )

    def tail(self, n: int) -> Histories:
        """The same requests with only the last ``n`` events of each."""
        lengths = np.minimum(self.lengths, n)
        source, offsets = ranges(self.offsets[1:] - lengths, lengths)
        return replace(self, items=self.items[source], offsets=offsets, **self._at(source))

    def head(self, n: int) -> Histories:
        """The same requests with only the first ``n`` events of each."""
        source, offsets = ranges(self.offsets[:-1], np.minimum(self.lengths, n))
        return replace(self, items=self.items[source], offsets=offsets, **self._at(source))

    def of_targets(self) -> Histories:
        """The same requests with only their events of target behaviours."""
        return self if self.behaviours is None else self.where(self.behaviours.is_target)

    def where(self, which: np.ndarray) -> Histories:
        """The same requests with only the events where ``which (S,)`` is True."""
        entries = np.flatnonzero(which)
        counts = np.bincount(self.requests()[entries], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return replace(self, items=self.items[entries], offsets=offsets, **self._at(entries))

    def _at(self, source: np.ndarray) -> dict[str, Any]:
        """The optional fields of the entries ``source`` of the S."""
        arrays = {name: getattr(self, name) for name in ("baskets", "labels", "ratings")}
        taken = {name: None if own is None else own[source] for name, own in arrays.items()}
        behaviours = None if self.behaviours is None else self.behaviours.take(source)
        return {**taken, "behaviours": behaviours}

    def requests(self) -> np.ndarray:
        """``(S,)`` the request of each entry of ``items``."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def basket_numbers(self) -> np.ndarray:
        """``(S,)`` int64: the basket of each entry of ``items``, numbered across all requests."""
        if self.baskets is None:
            return np.arange(len(self.items))
        return group_numbers(self.requests(), self.baskets)

    def ages(self) -> np.ndarray:
        """``(S,)`` int64: the number of later baskets in the request of each entry.

        If target events form baskets, only these baskets count; an event of another behaviour has
        an age but adds none.
        """
        numbers = self.basket_numbers()
        counted = np.ones(len(numbers))
        if self.baskets is not None and self.behaviours is not None:
            counted = self.behaviours.is_target
        position = np.cumsum(np.bincount(numbers, counted) > 0)[numbers]
        last = np.maximum(self.offsets[1:] - 1, 0)[self.requests()]
        ages: np.ndarray = position[last] - position
        return ages


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The recommendations for B requests: ranked lists of K items.

    Attributes:
        users: ``(B,)`` int32 user row numbers.
        items: ``(B, K)`` int32 item row numbers, best first; -1 after the end of a short list.
        scores: ``(B, K)`` float32, descending; -inf after the end of a short list.
        cost: of all lists, where a language model is prompted for them: the number of ``requests``,
            and of ``tokens`` that it reads and writes.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    cost: Mapping[str, int] = field(default_factory=dict)

    def take(self, chosen: np.ndarray) -> RankedLists:
        """The lists with the indices ``chosen``, in that order."""
        return RankedLists(self.users[chosen], self.items[chosen], self.scores[chosen])


def check_rows(kind: str, rows: np.ndarray, count: int, least: int = 0) -> None:
    """Checks that row numbers lie in ``least .. count - 1``.

    Raises:
        ValueError: a row number is out of range; the message names the first one.
    """
    outside = rows[(rows < least) | (rows >= count)]
    if len(outside):
        raise ValueError(f"expected {kind} rows 0 to {count - 1}, got {outside[0]}")
