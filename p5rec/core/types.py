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
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from .features import Behaviours, Context, Users, attribute_values, take_context
from .rng import event_keys

TRAIN, VALID, TEST = 0, 1, 2
PARTS: Mapping[str, int] = {"train": TRAIN, "valid": VALID, "test": TEST}


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
        context: what else is known of each event, numbers and categories by name.
        labels: ``(E,)`` int8, 1 or 0 where the data say so, -1 where they do not; None where they
            label nothing.
        behaviours: what was done; None where all events are of one kind.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    ratings: np.ndarray | None
    user_keys: np.ndarray
    item_keys: np.ndarray
    texts: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    context: Mapping[str, Context] = field(default_factory=dict)
    labels: np.ndarray | None = None
    behaviours: Behaviours | None = None

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
        own = {"users": self.users[rows], "times": self.times[rows]}
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
        parts: ``(E,)`` int8 of ``TRAIN``, ``VALID``, ``TEST``.
        seed: the seed of any draw the rule makes.
    """

    name: str
    parts: np.ndarray
    seed: int = 0

    def mask(self, *names: str) -> np.ndarray:
        """``(E,)`` bool: events in any of the named parts."""
        return np.isin(self.parts, [PARTS[name] for name in names])


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
        users: ``(B,)`` int32 user rows.
        items: ``(S,)`` int32 item rows of all histories, one after another.
        offsets: ``(B+1,)`` int64: request ``b`` holds ``items[offsets[b]:offsets[b+1]]``.
        keys: ``(B,)`` uint64, what is drawn for a request hangs on; None: on its number.
        behaviours: what was done, of the S events; None: all are of one kind.
    """

    users: np.ndarray
    items: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray | None = None
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
        return Histories(
            self.users[rows], self.items[source], offsets, keys, self._behaviours(source)
        )

    def tail(self, n: int) -> Histories:
        """The same requests, each with its last ``n`` events."""
        lengths = np.minimum(self.lengths, n)
        source, offsets = runs(self.offsets[1:] - lengths, lengths)
        return Histories(
            self.users, self.items[source], offsets, self.keys, self._behaviours(source)
        )

    def of_targets(self) -> Histories:
        """The same requests with their target events alone: what a user has, and not what a user
        looked at."""
        if self.behaviours is None:
            return self
        kept = self.behaviours.is_target
        counts = np.bincount(self.requests()[kept], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        items, behaviours = self.items[kept], self.behaviours.take(kept)
        return Histories(self.users, items, offsets, self.keys, behaviours)

    def _behaviours(self, rows: np.ndarray) -> Behaviours | None:
        return None if self.behaviours is None else self.behaviours.take(rows)

    def requests(self) -> np.ndarray:
        """``(S,)`` the request that each entry of ``items`` belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)


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


class Less(Protocol):
    """A question that can be made to show less.

    Attributes:
        steps: how many times.
    """

    @property
    def steps(self) -> int: ...

    def __call__(self, step: int) -> Example:
        """The question after ``step`` steps, from 1 on, each of which leaves a little more out."""
        ...


@dataclass(frozen=True)
class Example:
    """One text-to-text training or evaluation record.

    Attributes:
        source: what the model reads.
        target: what it should answer.
        task: the task family, e.g. ``rating``.
        prompt_id: template and version, e.g. ``rating.direct.v1``.
        rating: the number behind a rating task, on the data's scale; None elsewhere.
        user, item, event: rows this example is about, -1 where none.
        system: the system message, where the template has one.
        less: the same question showing less, for a model that cannot read all of it; None: it is
            this one or nothing.
    """

    source: str
    target: str
    task: str
    prompt_id: str
    rating: float | None = None
    user: int = -1
    item: int = -1
    event: int = -1
    system: str = ""
    less: Less | None = field(default=None, compare=False, repr=False)


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


def check_rows(kind: str, rows: np.ndarray, count: int) -> None:
    """Refuse rows outside ``0 .. count - 1``.

    Raises:
        ValueError: naming the first of them.
    """
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise ValueError(f"expected {kind} rows 0 to {count - 1}, got {outside[0]}")
