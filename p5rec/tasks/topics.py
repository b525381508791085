"""The attribute values of items that a dialogue can be about. N items, A topics, V values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .item_facts import Known, is_trait, is_year

MOST, FEWEST = 40, 2  # values at most; items that a value has at least
RESERVED = re.compile(r"[,>;:\n]")  # they have a meaning in the steps of a dialogue


@dataclass(frozen=True, eq=False)
class Topics:
    """Topics such as genre, each with its values.

    Attributes:
        names: ``(A,)`` of the topics.
        values: ``(V,)`` texts, each once.
        topic_of: ``(V,)`` int64, the topic of each value.
        has: ``(N, V)`` bool, the values of each item.
    """

    names: tuple[str, ...]
    values: tuple[str, ...]
    topic_of: np.ndarray
    has: np.ndarray

    @classmethod
    def of(cls, attributes: Sequence[Known], most: int = MOST) -> Topics:
        """The ``most`` frequent short values of N items, and the decades of their years.

        A value of two attributes belongs to the first one. A value of a single item is left out,
        because it would name the item.

        Args:
            attributes: ``(N,)`` an item's known attributes, each with its values.
        """
        counts: Counter[tuple[str, str]] = Counter()
        own = [dict.fromkeys(_pairs(known)) for known in attributes]
        for pairs in own:
            counts.update(pairs.keys())
        frequent = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        chosen: dict[str, str] = {}
        for (topic, value), count in frequent:
            if count >= FEWEST and len(chosen) < most:
                chosen.setdefault(value, topic)
        names = sorted(set(chosen.values()))
        values = sorted(chosen, key=lambda value: (names.index(chosen[value]), value))
        index = {(chosen[value], value): n for n, value in enumerate(values)}
        has = np.zeros((len(attributes), len(values)), dtype=bool)
        for row, pairs in enumerate(own):
            has[row, [index[pair] for pair in pairs if pair in index]] = True
        topic_of = np.array([names.index(chosen[value]) for value in values], dtype=np.int64)
        return cls(tuple(names), tuple(values), topic_of, has)

    @cached_property
    def index(self) -> dict[str, int]:
        """Text of a value → its number."""
        return {value: n for n, value in enumerate(self.values)}

    def of_item(self, item: int, topic: int | None = None) -> list[int]:
        """The values of an item; of one topic, or of all."""
        own = self.has[item] if topic is None else self.has[item] & (self.topic_of == topic)
        return np.flatnonzero(own).tolist()

    def mentioned(self, text: str) -> list[int]:
        """The values that a text names, without regard to case, in the order of the text."""
        found = [(match.start(), n) for n, pattern in enumerate(self._patterns)
                 if (match := pattern.search(text))]  # fmt: skip
        return [n for _, n in sorted(found)]

    def marked(self, text: str) -> str:
        """A text with brackets around the values that it names."""
        for n in self.mentioned(text):
            text = self._patterns[n].sub(r"[\g<0>]", text, count=1)
        return text

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(rf"(?<!\w){re.escape(v)}(?!\w)", re.IGNORECASE) for v in self.values]


def _pairs(known: Known) -> list[tuple[str, str]]:
    """The pairs of topic and value of an item; the topic of a year is its decade."""
    pairs = []
    for name, values in known:
        topic = RESERVED.sub(" ", name.replace("_", " ")).strip().lower()
        for value in values:
            if is_year(name, value):
                pairs.append(("decade", f"{value[:-1]}0s"))
            elif is_trait(value) and not RESERVED.search(value):
                pairs.append((topic, value))
    return pairs
