"""A wish → its phrases: the longest known words at each position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from p5rec.core.words import Words, is_mark, spelled, words_of, written

from .lexicon import After, Cues
from .vocabulary import YEARS, Vocabulary

LONGEST = 5  # words of a phrase
UNKNOWN = "unknown"


class Phrase(NamedTuple):
    """Words of a wish that mean something together.

    Attributes:
        kind: ``cue``, ``after``, ``value``, ``mood``, ``comparative``, ``title``, ``name`` (of a
            numeric attribute), ``bound``, ``number``, ``break``, ``comma``, ``join``,
            ``conjunction``, ``than``, ``filler`` or ``unknown``.
        words: as written.
        spelling: in one spelling.
        meaning: depends on the kind.
    """

    kind: str
    words: str
    spelling: str
    meaning: Any = None


@dataclass(frozen=True, eq=False)
class Phrases:
    """Finds the phrases of wishes about a catalogue."""

    vocabulary: Vocabulary

    def of(self, text: str) -> list[Phrase]:
        """The phrases of ``text``, which cover all of its words."""
        words = written(text)
        tokens, found, at = tuple(map(spelled, words)), list[Phrase](), 0
        while at < len(tokens):
            kind, length, meaning = self._at(tokens, at)
            own = slice(at, at + length)
            found.append(Phrase(kind, " ".join(words[own]), " ".join(tokens[own]), meaning))
            at += length
        return found

    def _at(self, tokens: Words, at: int) -> tuple[str, int, Any]:
        """The kind, the number of words and the meaning of the phrase at a position."""
        if is_mark(tokens[at]):
            return ("comma" if tokens[at] == "," else "break"), 1, None
        if title := self._title(tokens, at):
            return ("title", *title)
        for length in range(min(LONGEST, len(tokens) - at), 0, -1):
            words = tokens[at : at + length]
            for kind, table in self._tables:
                if words in table:
                    return kind, length, table[words]
        if (bounds := self._bounds(tokens[at])) is not None:
            return "number", 1, bounds
        return UNKNOWN, 1, None

    def _title(self, tokens: Words, at: int) -> tuple[int, int] | None:
        """The words and the item of the longest title, at a position after words like "like"."""
        for before in range(1, LONGEST):
            if before <= at and tokens[at - before : at] in self._similar:
                break
        else:
            return None
        for length in range(len(tokens) - at, 0, -1):
            row = self.vocabulary.titles.get(tokens[at : at + length])
            if row is not None and (length > 1 or tokens[at : at + 1] not in self._known):
                return length, row
        return None

    def _bounds(self, word: str) -> tuple[float, float] | None:
        """The numbers from and to which a word names: a number, or a decade."""
        if first := self.vocabulary.lexicon.decades.get(word):
            return first, first + 9
        digits = word.removesuffix("s")
        if not digits.isdecimal():
            return None
        number = float(digits)
        if digits == word:
            return number, number
        if len(digits) == 2:
            number += 1900 if number >= 30 else 2000
        return (number, number + 9) if YEARS[0] <= number <= YEARS[1] else None

    @cached_property
    def _similar(self) -> frozenset[Words]:
        return frozenset(words_of(word) for word in self.vocabulary.lexicon.similar)

    @cached_property
    def _known(self) -> frozenset[Words]:
        return frozenset(words for _, table in self._tables for words in table)

    @cached_property
    def _tables(self) -> list[tuple[str, Mapping[Words, Any]]]:
        """Kind → phrases; of one length an earlier table wins."""
        own, words = self.vocabulary, self.vocabulary.lexicon
        return [
            ("cue", dict(_signs(words.cues))),
            ("after", dict(_signs(words.after))),
            ("bound", dict.fromkeys(_all(words.above), 1) | dict.fromkeys(_all(words.below), -1)),
            ("than", dict.fromkeys(_all(words.than))),
            ("break", dict.fromkeys(_all(words.breaks))),
            ("join", dict.fromkeys(_all(words.joins))),
            ("conjunction", dict.fromkeys(_all(words.conjunctions))),
            ("value", own.by_words),
            ("mood", own.moods),
            ("comparative", own.comparatives),
            ("name", own.number_names),
            ("filler", dict.fromkeys(_all(words.fillers))),
        ]


def _all(words: tuple[str, ...]) -> Iterator[Words]:
    return map(words_of, words)


def _signs(table: Cues | After) -> Iterator[tuple[Words, str]]:
    for sign in type(table).model_fields:
        for words in getattr(table, sign):
            yield words_of(words), sign
