"""Phrases with a sign → terms over the items. N items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from p5rec.core.words import words_of

from .phrases import Phrase
from .vocabulary import YEARS, Vocabulary
from .wish import Sign, Term

MOOD = 0.5  # weight of each value of a mood


@dataclass(frozen=True, eq=False)
class Terms:
    """Makes terms of phrases.

    Attributes:
        vocabulary: of the catalogue.
        similarity: free words → ``(N,)``; None: words of titles.
    """

    vocabulary: Vocabulary
    similarity: Callable[[str], np.ndarray] | None = None

    def of(self, sign: Sign, phrase: Phrase) -> Term:
        """The term of a value, a mood, a comparative or a title."""
        if phrase.kind == "value":
            return self._value(sign, phrase)
        if phrase.kind == "mood":
            return self._mood(sign, phrase)
        if phrase.kind == "comparative":
            name, direction = phrase.meaning
            word = "large" if direction > 0 else "small"
            items = self.vocabulary.percentiles(name) * direction
            return Term(phrase.words, sign.soft, f"{word} {name}", items, exact=False)
        title = self.vocabulary.catalog.titles[phrase.meaning]
        items = self.vocabulary.similar(phrase.meaning)
        return Term(phrase.words, sign.soft, f"values of {title}", items, exact=False)

    def bound(self, sign: Sign, bound: Phrase, number: Phrase, name: str | None) -> Term | None:
        """The term of a number with a bound, such as "before 1980"."""
        low, high = number.meaning
        if bound.meaning > 0:  # "after 1990" leaves out 1990, "at least" does not
            low, high = (low if _includes(bound.spelling) else high + 1), np.inf
        else:
            low, high = -np.inf, (high if _includes(bound.spelling) else low - 1)
        return self._range(sign, f"{bound.words} {number.words}", (low, high), name)

    def number(self, sign: Sign, number: Phrase, name: str | None) -> Term | None:
        """The term of a number or a decade."""
        return self._range(sign, number.words, number.meaning, name)

    def free(self, sign: Sign, words: str, *, starts: bool) -> Term | None:
        """The term of words that name no value; None: they match nothing.

        Without a similarity, words match titles if they are several or one with a capital, which
        does not start a sentence: a word such as "home" may stand in a title by chance.

        Args:
            sign: of the term.
            words: as written.
            starts: they start a sentence.
        """
        if self.similarity is not None:
            items = self.similarity(words)
            return Term(words, sign.soft, f"texts about {words!r}", items, exact=False)
        named = len(words_of(words)) > 1 or (words[0].isupper() and not starts)
        return self.title(sign, words) if named else None

    def title(self, sign: Sign, words: str) -> Term | None:
        """The term of words of titles; None: no title has all of them."""
        found = [self.vocabulary.title_words.get(word) for word in words_of(words)]
        rows = frozenset[int]()
        if found and all(each is not None for each in found):
            rows = frozenset.intersection(*(each for each in found if each is not None))
        if not rows:
            return None
        items = np.zeros(len(self.vocabulary.catalog), dtype=np.float32)
        items[sorted(rows)] = 1
        return Term(words, sign, f"titles with {words!r}", items)

    def _value(self, sign: Sign, phrase: Phrase) -> Term:
        values = phrase.meaning
        meaning = " or ".join(f"{value.attribute} {value.value}" for value in values)
        key = (values[0].attribute, values[0].value) if len(values) == 1 else None
        return Term(phrase.words, sign, meaning, self.vocabulary.mask(values), key=key)

    def _mood(self, sign: Sign, phrase: Phrase) -> Term:
        mood, known = phrase.meaning, self.vocabulary.by_words
        items = np.zeros(len(self.vocabulary.catalog), dtype=np.float32)
        named = []
        for weight, names in ((MOOD, mood.more), (-MOOD, mood.less)):
            values = [value for name in names for value in known.get(words_of(name), ())]
            for value in values:
                items[value.rows] += weight
            if values:
                named.append(", ".join(value.value for value in values))
        items = items.clip(-1, 1)
        return Term(phrase.words, sign.soft, " over ".join(named), items, exact=False)

    def _range(
        self, sign: Sign, words: str, bounds: tuple[float, float], name: str | None
    ) -> Term | None:
        name = name or self._attribute_of(bounds)
        if name is None:
            return None
        values, (low, high) = self.vocabulary.numbers[name], bounds
        items = ((values >= low) & (values <= high)).astype(np.float32)
        if not items.any():
            return None
        limits = [f"{limit:g}" if np.isfinite(limit) else "" for limit in bounds]
        meaning = f"{name} {limits[0]}" if low == high else f"{name} {limits[0]}..{limits[1]}"
        return Term(words, sign, meaning, items, key=(name, meaning))

    def _attribute_of(self, bounds: tuple[float, float]) -> str | None:
        """The attribute that a number without a name is about."""
        finite = [limit for limit in bounds if np.isfinite(limit)]
        if self.vocabulary.year and all(YEARS[0] <= limit <= YEARS[1] for limit in finite):
            return self.vocabulary.year
        others = [name for name in self.vocabulary.numbers if name != self.vocabulary.year]
        return others[0] if len(others) == 1 else None


def _includes(words: str) -> bool:
    return words in {"at least", "at most", "since", "until"} or words.startswith("not ")
