"""The data spine: the immutable values that every stage takes and returns.

External ids (what the user's files hold) exist in :class:`Catalog` and :class:`Users` alone;
everywhere else users and items are row numbers, and keys (hashes of the ids) where something is
drawn about them. E events, U users, N items, B requests,
S the summed length of B histories, K list length, L code levels.
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
NOBODY = -1  # the user row of a request that comes from no user of the data
SPLITS: Mapping[str, int] = {"train": TRAIN, "valid": VALID, "test": TEST}


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events in order of user, then time, then a seeded shuffle of equal times.

    Attributes:
        users: ``(E,)`` int32 user rows, ascending.
        items: ``(E,)`` int32 item rows.
        times: ``(E,)`` int64, seconds since 1970 UTC, or the position where a source has
            order only.
        ratings: ``(E,)`` float32, or None where the source has none.
        texts: further text columns of length E, such as ``review`` and ``summary``.
        user_keys, item_keys: ``(U,)`` and ``(N,)`` uint64, the keys of their external ids
            (:func:`p5rec.core.rng.id_keys`).
        baskets: ``(E,)`` int64, ascending: the number of the basket that an event is in, a set of
            one user's events whose order carries no information; None: each event stands alone.
            Events that are history alone share no basket with target events: a number of theirs is
            a moment.
        context: what else is known of each event, numbers and categories by name.
        labels: ``(E,)`` int8, 1 or 0 where the data say so, -1 where they do not; None where they
            label nothing.
        behaviours: what was done; None where all events are of one kind.
        dated: times are moments, which can be compared between users; else positions.
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
        """``(E,)`` uint64: by user, item, time and which of several equal events, no two alike."""
        users, items = self.user_keys[self.users], self.item_keys[self.items]
        return event_keys(users, items, self.times)

    @property
    def moments(self) -> np.ndarray:
        """``(E,)`` what a user's events ascend in: their baskets, or their times where there are
        none. Events of one moment have no order."""
        return self.times if self.baskets is None else self.baskets

    @cached_property
    def offsets(self) -> np.ndarray:
        """``(U+1,)`` int64: the events of user ``u`` are rows ``offsets[u]:offsets[u+1]``."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def is_target(self) -> np.ndarray:
        """``(E,)`` bool: events that may be asked for; the others are history alone."""
        return np.ones(len(self), bool) if self.behaviours is None else self.behaviours.is_target

    @cached_property
    def weights(self) -> np.ndarray:
        """``(E,)`` float64: what each event counts for in a matrix of users and items."""
        return np.ones(len(self)) if self.behaviours is None else self.behaviours.event_weights

    def moved(self, rows: np.ndarray) -> dict[str, Any]:
        """All that is said of events but whose they are and when, at ``rows``: to :func:`replace`
        with."""
        return {
            "items": self.items[rows],
            "ratings": None if self.ratings is None else self.ratings[rows],
            "texts": {name: column.take(rows) for name, column in self.texts.items()},
            "context": {name: take_context(each, rows) for name, each in self.context.items()},
            "labels": None if self.labels is None else self.labels[rows],
            "behaviours": None if self.behaviours is None else self.behaviours.take(rows),
        }

    def take(self, rows: np.ndarray) -> Interactions:
        """The events ``rows``, ascending numbers."""
        baskets = None if self.baskets is None else self.baskets[rows]
        own = {"users": self.users[rows], "times": self.times[rows], "baskets": baskets}
        return replace(self, **own, **self.moved(rows))


@dataclass(frozen=True, eq=False)
class Catalog:
    """The item table, a row an item.

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
        """Titles, ``(N,)``; the external id stands in where there is none."""
        titles: list[str | None] = self.table.column("title").to_pylist()
        return [t or f"item {i}" for t, i in zip(titles, self.ids, strict=True)]

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
    """Which events train, validate and test.

    Attributes:
        name: the rule, e.g. ``leave-one-out`` (see ``p5rec.data.split``).
        of_event: ``(E,)`` int8 of ``TRAIN``, ``VALID``, ``TEST``.
        seed: the seed of any draw the rule makes.
        exclude_seen: whether lists for validation users leave out the items of their histories;
            what is chosen on validation is chosen for lists of that kind.
    """

    name: str
    of_event: np.ndarray
    seed: int = 0
    exclude_seen: bool = True

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

    def validated(self, *, exclude_seen: bool) -> Corpus:
        """The same, whose validation lists leave out seen items or may hold them."""
        return replace(self, split=replace(self.split, exclude_seen=exclude_seen))


def numbered(*columns: np.ndarray) -> np.ndarray:
    """``(E,)`` int64: neighbours that are equal in every one of ``columns (E,)`` share a number,
    which ascends from 0."""
    new = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new)


def runs(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of neighbouring rows, one after another.

    Args:
        starts, lengths: ``(B,)`` the first row of each run, and how many it has.

    Returns:
        ``(S,)`` int64, the rows of all runs; ``(B + 1,)`` int64, where each run begins in them.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


@dataclass(frozen=True, eq=False)
class Histories:
    """B requests, each a user and what the user did, oldest first, as one ragged array.

    Attributes:
        users: ``(B,)`` int32 user rows, or ``NOBODY``.
        items: ``(S,)`` int32 item rows of all histories, one after another.
        offsets: ``(B+1,)`` int64: request ``b`` holds ``items[offsets[b]:offsets[b+1]]``.
        keys: ``(B,)`` uint64, what is drawn for a request hangs on; None: on its number.
        baskets: ``(S,)`` int64, ascending within a request: the basket that each entry of
            ``items`` is from; None: each stands alone.
        behaviours: what was done, of the S events; None: all are of one kind.
    """

    users: np.ndarray
    items: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray | None = None
    baskets: np.ndarray | None = None
    behaviours: Behaviours | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, b: int) -> np.ndarray:
        return self.items[self.offsets[b] : self.offsets[b + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """``(B,)`` number of events of each request."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> Histories:
        """The requests ``rows``, in that order."""
        source, offsets = runs(self.offsets[:-1][rows], self.lengths[rows])
        keys = None if self.keys is None else self.keys[rows]
        return Histories(self.users[rows], self.items[source], offsets, keys, **self._at(source))

    def tail(self, n: int) -> Histories:
        """The same requests, each with its last ``n`` events."""
        lengths = np.minimum(self.lengths, n)
        source, offsets = runs(self.offsets[1:] - lengths, lengths)
        return Histories(self.users, self.items[source], offsets, self.keys, **self._at(source))

    def of_targets(self) -> Histories:
        """The same requests with their target events alone: what a user has, and not what a user
        looked at."""
        return self if self.behaviours is None else self.where(self.behaviours.is_target)

    def where(self, which: np.ndarray) -> Histories:
        """The same requests with those of their events alone that ``which (S,)`` bool says."""
        kept = np.flatnonzero(which)
        counts = np.bincount(self.requests()[kept], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Histories(self.users, self.items[kept], offsets, self.keys, **self._at(kept))

    def _at(self, source: np.ndarray) -> dict[str, Any]:
        """What else is known of the events ``source`` of the S."""
        return {
            "baskets": None if self.baskets is None else self.baskets[source],
            "behaviours": None if self.behaviours is None else self.behaviours.take(source),
        }

    def requests(self) -> np.ndarray:
        """``(S,)`` the request that each entry of ``items`` belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def basket_numbers(self) -> np.ndarray:
        """``(S,)`` int64: the basket of each entry of ``items``, numbered through all requests."""
        if self.baskets is None:
            return np.arange(len(self.items))
        return numbered(self.requests(), self.baskets)

    def ages(self) -> np.ndarray:
        """``(S,)`` int64: how many baskets of its request come after that of each entry.

        They are counted in target events: where these form baskets, what is history alone ages by
        the baskets after it and ages nothing itself.
        """
        numbers = self.basket_numbers()
        counted = np.ones(len(numbers))
        if self.baskets is not None and self.behaviours is not None:
            counted = self.behaviours.is_target
        passed = np.cumsum(np.bincount(numbers, counted) > 0)[numbers]
        last = np.maximum(self.offsets[1:] - 1, 0)[self.requests()]
        ages: np.ndarray = passed[last] - passed
        return ages


@dataclass(frozen=True, eq=False)
class ItemCodes:
    """Semantic ids: a tuple of L codes an item.

    Attributes:
        codes: ``(N, L)`` int32, ``0 <= codes[:, l] < sizes[l]``; rows are unique.
        sizes: the codebook size of each level, L integers.
        scheme: the name of the scheme that made them.
        tied: the last level is a number among items that share all codes before it, which a model
            is not to tell apart: it ranks them by that number, whatever it has read.
    """

    codes: np.ndarray
    sizes: tuple[int, ...]
    scheme: str
    tied: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """L."""
        return len(self.sizes)

    @property
    def starts(self) -> np.ndarray:
        """``(L,)`` int64: where each level begins in the flat range of ``sum(sizes)`` codes."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    @property
    def flat(self) -> np.ndarray:
        """``(N, L)`` int64: codes numbered through all levels, ``starts[l] + codes[:, l]``."""
        flat: np.ndarray = self.codes.astype(np.int64) + self.starts
        return flat


@dataclass(frozen=True, eq=False)
class RankedLists:
    """What a recommender answers.

    Attributes:
        users: ``(B,)`` int32 user rows.
        items: ``(B, K)`` int32 item rows, best first, -1 where the list ended early.
        scores: ``(B, K)`` float32, descending, -inf where the list ended early.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def take(self, rows: np.ndarray) -> RankedLists:
        """The lists ``rows``, in that order."""
        return RankedLists(self.users[rows], self.items[rows], self.scores[rows])


def check_rows(kind: str, rows: np.ndarray, count: int, least: int = 0) -> None:
    """Refuse rows outside ``least .. count - 1``.

    Raises:
        ValueError: naming the first of them.
    """
    outside = rows[(rows < least) | (rows >= count)]
    if len(outside):
        raise ValueError(f"expected {kind} rows 0 to {count - 1}, got {outside[0]}")
