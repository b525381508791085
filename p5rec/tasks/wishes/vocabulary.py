"""The closed vocabulary of a catalogue: its values, and words for them.

N items, V values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from p5rec.core.types import Catalog
from p5rec.core.words import Words, words_of

from .lexicon import Comparative, Lexicon, Mood, shipped_lexicon

LONGEST_VALUE = 4  # words; longer attribute texts are no values
YEARS = (1800, 2100)  # numbers that name a year


@dataclass(frozen=True, eq=False)
class Value:
    """A value of an attribute.

    Attributes:
        attribute: the attribute's name.
        value: as in the item table.
        rows: ``(M,)`` the items that have it, ascending.
    """

    attribute: str
    value: str
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a catalogue.

    Attributes:
        catalog: N items with attributes.
        lexicon: English words for values.
    """

    catalog: Catalog
    lexicon: Lexicon = field(default_factory=shipped_lexicon)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """All V values: categories and the entries of lists, not numbers and long texts."""
        return tuple(
            value for name in self.catalog.attributes if name not in self.numbers
            for value in self._values(name)
        )  # fmt: skip

    @cached_property
    def numbers(self) -> Mapping[str, np.ndarray]:
        """Numeric attribute → its ``(N,)`` float64; NaN where unknown."""
        table, out = self.catalog.table, dict[str, np.ndarray]()
        for name in self.catalog.attributes:
            kind = table.schema.field(name).type
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                out[name] = np.asarray(table.column(name).cast(pa.float64()).to_numpy())
        return out

    @cached_property
    def by_words(self) -> Mapping[Words, tuple[Value, ...]]:
        """Words → the values that they name: their own spelling first, then synonyms."""
        own = defaultdict[Words, list[Value]](list)
        for value in self.values:
            words = words_of(value.value)
            for spelling in {words, ("".join(words),)}:
                own[spelling].append(value)
        found = {words: tuple(values) for words, values in own.items()}
        for name, synonyms in self.lexicon.synonyms.items():
            if values := found.get(words_of(name)):
                found = {words_of(synonym): values for synonym in synonyms} | found
        return found

    @cached_property
    def moods(self) -> Mapping[Words, Mood]:
        """Words → the mood that they name, where the catalogue has one of its values."""
        return {
            words_of(word): mood
            for mood in self.lexicon.moods.values()
            if any(words_of(value) in self.by_words for value in (*mood.more, *mood.less))
            for word in mood.words
        }

    @cached_property
    def comparatives(self) -> Mapping[Words, tuple[str, int]]:
        """Words → numeric attribute, and 1 for large values or -1 for small ones."""
        out = dict[Words, tuple[str, int]]()
        for name, one in self._known_numbers():
            out |= {words_of(word): (name, 1) for word in one.high}
            out |= {words_of(word): (name, -1) for word in one.low}
        return out

    @cached_property
    def number_names(self) -> Mapping[Words, str]:
        """Words → the numeric attribute that they name."""
        own = {words_of(name): name for name in self.numbers}
        known = {words_of(word): name for name, one in self._known_numbers() for word in one.names}
        return known | own

    @cached_property
    def year(self) -> str | None:
        """The attribute of years; None: there is none."""
        for name, values in self.numbers.items():
            known = values[np.isfinite(values)]
            if len(known) and (known >= YEARS[0]).all() and (known <= YEARS[1]).all():
                return name
        return None

    @cached_property
    def titles(self) -> Mapping[Words, int]:
        """The words of each title, also without a year in brackets, → its item."""
        out = dict[Words, int]()
        for row, title in enumerate(self.catalog.titles):
            for text in (title, title.rpartition(" (")[0] or title):
                out.setdefault(words_of(text), row)
        return out

    @cached_property
    def title_words(self) -> Mapping[str, frozenset[int]]:
        """Word → the items with it in their title."""
        out = defaultdict[str, set[int]](set)
        for row, title in enumerate(self.catalog.titles):
            for word in words_of(title):
                out[word].add(row)
        return {word: frozenset(rows) for word, rows in out.items()}

    @cached_property
    def matches(self) -> np.ndarray:
        """``(V, N)`` bool: which item has which value."""
        out = np.zeros((len(self.values), len(self.catalog)), dtype=bool)
        for at, value in enumerate(self.values):
            out[at, value.rows] = True
        return out

    def values_of(self, row: int) -> list[Value]:
        """The values of one item."""
        return [value for value in self.values if row in value.rows]

    def mask(self, values: Iterable[Value]) -> np.ndarray:
        """``(N,)`` float32: 1 for items with one of ``values``."""
        out = np.zeros(len(self.catalog), dtype=np.float32)
        for value in values:
            out[value.rows] = 1
        return out

    def percentiles(self, attribute: str) -> np.ndarray:
        """``(N,)`` float32 from -1 (smallest) to 1 (largest value); 0 where unknown."""
        values = self.numbers[attribute]
        known = np.sort(values[np.isfinite(values)])
        below, to = (np.searchsorted(known, values, side) for side in ("left", "right"))
        scaled = (below + to) / max(len(known), 1) - 1
        return np.where(np.isfinite(values), scaled, 0).astype(np.float32)

    def similar(self, row: int) -> np.ndarray:
        """``(N,)`` float32: the Jaccard similarity of each item's values with those of one item."""
        rows = np.concatenate([np.empty(0, np.int64), *(value.rows for value in self.values)])
        size = np.bincount(rows, minlength=len(self.catalog))
        shared = np.zeros(len(self.catalog))
        for value in self.values_of(row):
            shared[value.rows] += 1
        union = size + size[row] - shared
        return np.divide(shared, union, out=np.zeros(len(size)), where=union > 0).astype(np.float32)

    def _values(self, name: str) -> list[Value]:
        rows = defaultdict[str, list[int]](list)
        for row, values in enumerate(self.catalog.values(name)):
            for value in values:
                rows[value].append(row)
        return [
            Value(name, value, np.array(own))
            for value, own in rows.items()
            if 0 < len(words_of(value)) <= LONGEST_VALUE
        ]

    def _known_numbers(self) -> list[tuple[str, Comparative]]:
        """The numeric attributes with a comparative in the lexicon."""
        found = []
        for name in self.numbers:
            for one in self.lexicon.numbers.values():
                named = words_of(name) in {words_of(own) for own in one.names}
                if named or (name == self.year and "year" in one.names):
                    found.append((name, one))
                    break
        return found
