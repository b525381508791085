"""The corpus as prompts may use it: a target's visible history, the rating scale, attributes.

The history of a training or validation target contains the user's earlier training events. The
history of a test target contains earlier training and validation events. Events of the same second
keep the seeded order of the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from p5rec.core.features import Users
from p5rec.core.types import SPLITS, TRAIN, Catalog, Corpus
from p5rec.data.available import Available
from p5rec.data.earlier_events import EarlierEvents
from p5rec.data.item_tree import ItemTree, TreeConfig, TreeItems, grow
from p5rec.data.knowledge import Knowledge
from p5rec.data.negatives import sample_negatives
from p5rec.data.points import Points

from .item_facts import ItemFacts, Known, is_trait, is_year
from .item_names import ItemNames
from .literal import Literal, literal
from .topics import Topics

LIKED = 0.75  # fraction of the scale from which a rating counts as liked: 4 on 1..5


def decimal(rating: np.float32) -> float:
    """A stored rating as the number in the source: 3.7, not 3.700000047..."""
    return float(format(float(rating), "g"))


@dataclass(frozen=True)
class Scale:
    """The range of the training ratings."""

    low: float
    high: float

    @property
    def liked(self) -> float:
        """The lowest rating that counts as liked."""
        return self.low + LIKED * (self.high - self.low)


class Shown(NamedTuple):
    """What prompts may show besides the corpus; see :class:`CorpusView`."""

    notes: Sequence[str | None] = ()
    retrieved: Mapping[int, np.ndarray] = {}
    points: Points | None = None


DATA_ALONE = Shown()


@dataclass(frozen=True, eq=False)
class CorpusView:
    """A corpus and its item names, with the look-ups that record builders use.

    Attributes:
        corpus: the corpus.
        names: of its items.
        factors: aspects that matter in the scenario, for texts about items and users.
        notes: ``(U,)`` an earlier text about each user, None without one; empty: there are none.
        codes: ``(N, L)`` the items' codes, for :attr:`tree`; None: their places by title.
        shape: of the tree.
        retrieved: event row → the items that a retriever finds for its user before the event;
            empty: there is no retriever.
        points: vectors of items and users, which prompts can hold; None: there are none.
        knowledge: facts in words, which prompts about items show; None: there are none.
    """

    corpus: Corpus
    names: ItemNames
    factors: Sequence[str] = field(default=(), kw_only=True)
    notes: Sequence[str | None] = field(default=(), kw_only=True)
    codes: np.ndarray | None = field(default=None, kw_only=True)
    shape: TreeConfig = field(default=TreeConfig(), kw_only=True)
    retrieved: Mapping[int, np.ndarray] = field(default_factory=dict, kw_only=True)
    points: Points | None = field(default=None, kw_only=True)
    knowledge: Knowledge | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.names.ids) != len(self.corpus.catalog):
            raise ValueError(f"{len(self.names.ids)} names for {len(self.corpus.catalog)} items")

    @cached_property
    def has(self) -> frozenset[str]:
        """The data of ``fields.DATA`` that the corpus holds."""
        data = {name for name in ("review", "summary") if self.filled(name).any()}
        if self.scale is not None:
            data.add("ratings")
        if any(self.attributes):
            data.add("attributes")
        if any(self.user_attributes):
            data.add("user_attributes")
        if self.factors:
            data.add("factors")
        if any(self.notes):
            data.add("notes")
        data |= {"knowledge"} if self.knowledge else set()
        if self.points is not None:
            data.add("points")
            data |= {"traits"} if any(self.facts.short_values) else set()
            data |= {"years"} if any(self.facts.decades) else set()
        return frozenset(data)

    @cached_property
    def rated(self) -> np.ndarray:
        """``(E,)`` bool: events with a rating."""
        ratings = self.corpus.interactions.ratings
        if ratings is None:
            return np.zeros(len(self.corpus.interactions), dtype=bool)
        return np.isfinite(ratings)

    @cached_property
    def scale(self) -> Scale | None:
        """Lowest and highest training rating; None without training ratings."""
        seen = self.rated & self.corpus.split.mask("train")
        if self.corpus.interactions.ratings is None or not seen.any():
            return None
        ratings = self.corpus.interactions.ratings[seen]
        return Scale(decimal(ratings.min()), decimal(ratings.max()))

    @cached_property
    def mean(self) -> float:
        """Mean training rating; NaN without training ratings."""
        ratings = self.corpus.interactions.ratings
        if ratings is None or self.scale is None:
            return float("nan")
        return float(ratings[self.rated & self.corpus.split.mask("train")].mean())

    @cached_property
    def _item_ratings(self) -> tuple[np.ndarray, np.ndarray]:
        """``(N,)`` sum and number of each item's training ratings."""
        log = self.corpus.interactions
        seen = self.rated & self.corpus.split.mask("train")
        assert log.ratings is not None, "the corpus has no ratings"
        items, ratings = log.items[seen], log.ratings[seen].astype(np.float64)
        many = len(self.names.ids)
        return np.bincount(items, ratings, many), np.bincount(items, minlength=many)

    def item_ratings(self, events: np.ndarray) -> np.ndarray:
        """``(n, 2)``: mean and number of the training ratings of each event's item.

        The event's own rating is excluded. Items without ratings get the mean of all items.
        """
        log, (sums, counts) = self.corpus.interactions, self._item_ratings
        assert log.ratings is not None, "the corpus has no ratings"
        own = self.rated[events] & (self.corpus.split.of_event[events] == TRAIN)
        count = counts[log.items[events]] - own
        rest = sums[log.items[events]] - np.where(own, log.ratings[events], 0)
        return np.stack([np.where(count, rest / count.clip(1), self.mean), count], axis=1)

    @cached_property
    def liked(self) -> np.ndarray:
        """``(E,)`` bool: events rated ``scale.liked`` or more; without ratings, all targets that
        have no negative label."""
        log = self.corpus.interactions
        ratings = log.ratings
        if ratings is None or self.scale is None:
            return log.is_target if log.labels is None else log.is_target & (log.labels != 0)
        return np.where(self.rated, ratings, -np.inf) >= self.scale.liked

    @cached_property
    def depth(self) -> np.ndarray:
        """``(E,)`` number of training events of the same user before each event."""
        log = self.corpus.interactions
        count = np.concatenate([[0], np.cumsum(self.corpus.split.of_event == TRAIN)])
        return count[:-1] - count[log.offsets[log.users]]

    @cached_property
    def first(self) -> np.ndarray:
        """``(E,)`` bool: the user's first target event with that item."""
        log = self.corpus.interactions
        taken = np.flatnonzero(log.is_target)
        pairs = log.users[taken].astype(np.int64) * log.n_items + log.items[taken]
        mask = np.zeros(len(log), dtype=bool)
        mask[taken[np.unique(pairs, return_index=True)[1]]] = True
        return mask

    @cached_property
    def labelled(self) -> np.ndarray | None:
        """``(E,)`` bool: events with a label; None if no event has one."""
        labels = self.corpus.interactions.labels
        known = None if labels is None else labels >= 0
        return known if known is not None and known.any() else None

    def filled(self, text: str) -> np.ndarray:
        """``(E,)`` bool: events whose text column ``text`` holds more than white space."""
        column = self.corpus.interactions.texts.get(text)
        if column is None:
            return np.zeros(len(self.corpus.interactions), dtype=bool)
        length = pc.utf8_length(pc.utf8_trim_whitespace(column)).fill_null(0)
        return np.asarray(length.to_numpy() > 0)

    def text(self, name: str, event: int) -> str:
        """The text column ``name`` of an event, on one line; "" if it is missing."""
        column = self.corpus.interactions.texts.get(name)
        value = column[event].as_py() if column is not None else None
        return self.names.literal(value or "")

    def past(self, event: int) -> np.ndarray:
        """Rows of the events visible to the target ``event``, oldest first."""
        return self.earlier.before(np.array([event]))[0]

    @cached_property
    def earlier(self) -> EarlierEvents:
        """The earlier events that each event may see."""
        return EarlierEvents(self.corpus.interactions, self.corpus.split)

    def profile(self, user: int) -> np.ndarray:
        """Rows of the events that a text about the user may show, oldest first: the split's profile
        events, otherwise all training events."""
        log, split = self.corpus.interactions, self.corpus.split
        own = np.arange(log.offsets[user], log.offsets[user + 1])
        chosen = split.of_event == TRAIN if split.profile is None else split.profile
        return own[chosen[own]]

    def user_items(self, user: int) -> np.ndarray:
        """Items of all events of the user, in every split."""
        log = self.corpus.interactions
        return log.items[log.offsets[user] : log.offsets[user + 1]]

    @cached_property
    def available(self) -> Available:
        """The time from which each item is available: its first event in any split."""
        return Available.of(self.corpus.interactions)

    def sample_negatives(self, event: int, count: int, rng: np.random.Generator) -> list[int]:
        """Samples up to ``count`` negatives with different titles for ``event``.

        Negatives are available at the time of the event, and the user has no event with them.
        """
        log, titles = self.corpus.interactions, self.names.titles
        met, available = self.user_items(log.users[event]), self.available.at(log.times[event])
        return sample_negatives(met, available, titles, log.item_keys, count, rng)

    @cached_property
    def attributes(self) -> list[Known]:
        """``(N,)`` an item's known attributes, each with its values."""
        return _known(self.corpus.catalog, self.names.literal)

    @cached_property
    def user_attributes(self) -> list[Known]:
        """``(U,)`` a user's known attributes, each with its values."""
        return _known(self.corpus.users, self.names.literal)

    def attribute_text(self, item: int) -> str:
        """An item's attributes as ``name: value, value; name: value``."""
        return _in_words(self.attributes[item])

    def note(self, user: int) -> str:
        """The earlier text about a user, on one line; "" without one."""
        return self.names.literal((self.notes[user] if self.notes else None) or "")

    def fact(self, item: int) -> str:
        """The fact nearest to an item's title; "" if none shares a word with it."""
        return self._facts_found[item] if self.knowledge else ""

    @cached_property
    def _facts_found(self) -> list[str]:
        assert self.knowledge is not None
        return [self.names.literal(fact) for fact in self.knowledge.nearest(self.names.titles)]

    def user_attribute_text(self, user: int) -> str:
        """A user's attributes as ``name: value, value; name: value``."""
        return _in_words(self.user_attributes[user])

    @cached_property
    def traits(self) -> list[tuple[str, ...]]:
        """``(N,)`` short attribute values of each item, then its years; no other numbers."""
        return [
            (
                *(v for _, values in known for v in values if is_trait(v)),
                *(f"from {v}" for name, values in known for v in values if is_year(name, v)),
            )
            for known in self.attributes
        ]

    @cached_property
    def facts(self) -> ItemFacts:
        """Facts about items that answers name."""
        train = self.liked & (self.corpus.split.of_event == TRAIN)
        return ItemFacts(self.attributes, self.corpus.interactions, train)

    @cached_property
    def topics(self) -> Topics:
        """The attribute values that a dialogue can be about."""
        return Topics.of(self.attributes)

    @cached_property
    def tree(self) -> ItemTree:
        """The items as a tree."""
        log, attribute, codes = self.corpus.interactions, self.shape.attribute, self.codes
        if codes is None:
            codes = np.empty((log.n_items, 1), dtype=np.int64)
            codes[np.lexsort((log.item_keys, np.array(self.names.titles))), 0] = np.arange(
                log.n_items
            )
        known = [] if attribute is None else self.corpus.catalog.values(attribute)
        values = [tuple(map(self.names.literal, own)) for own in known]
        counts = np.bincount(log.items[self.corpus.split.mask("train")], minlength=log.n_items)
        return grow(TreeItems(self.names.titles, values, codes, counts), self.shape)

    def targets(self, split_name: str) -> np.ndarray:
        """``(E,)`` bool: target events of a split; in training, those with a history."""
        inside = (
            self.corpus.split.of_event == SPLITS[split_name]
        ) & self.corpus.interactions.is_target
        return inside & (self.depth > 0) if SPLITS[split_name] == TRAIN else inside


def unnamed_view(corpus: Corpus, literal: Literal = literal) -> CorpusView:
    """The corpus before its items have codes: row numbers serve as ids; ``literal`` escapes the
    special tokens of the model."""
    placeholders = [f"<{row}>" for row in range(len(corpus.catalog))]
    return CorpusView(corpus, ItemNames(placeholders, corpus.catalog.titles, literal))


def _known(table: Catalog | Users, literal: Literal) -> list[Known]:
    """The known attributes of each row of ``table``."""
    columns = [(literal(name), table.values(name)) for name in table.attributes]
    return [
        tuple((name, tuple(map(literal, values[row]))) for name, values in columns if values[row])
        for row in range(len(table))
    ]


def _in_words(known: Known) -> str:
    pairs = ((name.replace("_", " "), values) for name, values in known)
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in pairs)
