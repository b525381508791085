"""The grammar of wishes: phrases → terms with signs.

    wish    = clause { break clause }
    clause  = group { "," group }
    group   = { cue | filler } term { join term }
    term    = value | mood | comparative | bound number | decade | title | free words

A cue sets the sign of all terms up to the next break, comma or cue. A sign holds across a list that
ends with "or" or "nor", commas included. Where English leaves a sign open, the wish has a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np

from p5rec.core.errors import input_error

from .phrases import UNKNOWN, Phrase, Phrases
from .terms import Terms
from .vocabulary import Vocabulary
from .wish import Sign, Term, Wish

SIGNS = {"none": Sign.NONE, "less": Sign.LESS, "more": Sign.MORE, "only": Sign.ONLY}
TERMS = frozenset({"value", "mood", "comparative", "title", "number", UNKNOWN})
LONGEST_WISH = 1_000  # characters

Similarity = Callable[[str], np.ndarray]  # free words → (N,) float32, 0 to 1


def parse_wish(text: str, vocabulary: Vocabulary, similarity: Similarity | None = None) -> Wish:
    """A wish as understood over a catalogue, with at least one term.

    Args:
        text: a sentence in English.
        vocabulary: of the catalogue.
        similarity: of items to words that name no value; None: items match whose titles have them.

    Raises:
        UserError: nothing was understood, or the text is too long.
    """
    if len(text) > LONGEST_WISH:
        raise input_error(
            "wish", f"at most {LONGEST_WISH:,} characters", f"{len(text):,}", "shorten it"
        )
    return read_wish(text, vocabulary, similarity).require_terms()


def read_wish(text: str, vocabulary: Vocabulary, similarity: Similarity | None = None) -> Wish:
    """A wish as understood over a catalogue, without terms if nothing was.

    Args:
        text, vocabulary, similarity: see :func:`parse_wish`.
    """
    phrases = Phrases(vocabulary).of(text)
    reader = _Reader(phrases, Terms(vocabulary, similarity))
    while reader.at < len(phrases):
        reader.step()
    terms, notes = _without_conflicts(reader.terms, reader.notes)
    unknown = tuple(_with_hint(words, vocabulary) for words in reader.unknown)
    if not terms:
        terms = [term for words in reader.unknown if (term := reader.make.title(Sign.MORE, words))]
        unknown = () if terms else unknown
    return Wish(text, tuple(terms), unknown, tuple(dict.fromkeys(notes)), tuple(reader.ignored))


@dataclass
class _Reader:
    """Reads phrases one after the other.

    Attributes:
        sign: of the next term; None: its words are left open.
        cued: whether a cue since the last comma or term named the sign.
        since_term: whether a term came since the last cue.
        after: what ended the group before, if its sign was not "more": ``comma``; or
            ``conjunction``.
        group: number of terms before the present group.
    """

    phrases: Sequence[Phrase]
    make: Terms
    at: int = 0
    sign: Sign | None = Sign.MORE
    cued: bool = False
    since_term: bool = False
    after: str = ""
    group: int = 0
    terms: list[Term] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Reads the phrase at ``at``, and those that belong to it."""
        phrase = self.phrases[self.at]
        if phrase.kind in TERMS or (phrase.kind == "bound" and self._number_follows()):
            self._term(phrase)
            return
        self.at += 1
        if phrase.kind == "after":
            self._after(phrase.meaning)
        elif phrase.kind == "cue":
            self._cue(phrase.meaning)
        elif phrase.kind == "break":
            self._reset()
        elif phrase.kind == "comma" and not self._goes_on():
            self._reset(after="comma")
        elif phrase.kind == "conjunction" and self.since_term:
            self.after = "conjunction"
        elif phrase.kind == "than" and self.since_term and self.sign in (Sign.MORE, Sign.LESS):
            self.sign = Sign.LESS if self.sign is Sign.MORE else Sign.MORE

    def _after(self, cue: str) -> None:
        """Sets the sign of the terms before, back to the last break, comma or cue."""
        own = self.terms[self.group :]
        self.terms[self.group :] = [term.under(SIGNS[cue]) for term in own]
        self._reset()

    def _reset(self, after: str = "") -> None:
        strict = self.sign is not Sign.MORE and self.since_term
        self.after, self.group = after if strict else "", len(self.terms)
        self.sign, self.cued, self.since_term = Sign.MORE, False, False

    def _cue(self, cue: str) -> None:
        pending = self.cued and not self.since_term and self.sign is not Sign.MORE
        self.after = ""
        if cue == "any":
            self.sign = None
        elif cue == "toward":
            self.sign = self.sign if pending else Sign.MORE
        elif pending and self.sign is Sign.NONE and cue == "only":
            self.sign = Sign.MORE
            self.notes.append("'not only' read as a wish for more, which excludes nothing")
        elif pending and self.sign is Sign.NONE and cue == "more":
            self.sign = Sign.LESS
        elif pending and self.sign is Sign.NONE and cue == "none":
            self.sign = Sign.MORE
            self.notes.append("two negations read as a wish for more")
        else:
            self.sign = SIGNS[cue]
        self.cued, self.since_term, self.group = True, False, len(self.terms)

    def _goes_on(self) -> bool:
        """Whether a group goes on after a comma: words of sign follow, or the list ends with "or"
        or "nor" before any cue or break."""
        if self.at < len(self.phrases) and self.phrases[self.at].kind == "after":
            return True
        for phrase in self.phrases[self.at :]:
            if phrase.kind == "join":
                return True
            if phrase.kind in ("cue", "break", "conjunction"):
                return False
        return False

    def _number_follows(self) -> bool:
        for phrase in self.phrases[self.at + 1 :]:
            if phrase.kind != "filler":
                return phrase.kind == "number"
        return False

    def _term(self, phrase: Phrase) -> None:
        start = self.at
        self.at += 1
        sign = self.sign
        if phrase.kind == UNKNOWN:
            self._free_words(start)
        elif sign is None:
            self.ignored.append(phrase.words)
        elif phrase.kind == "bound":
            while self.phrases[self.at].kind != "number":
                self.at += 1
            number = self.phrases[self.at]
            self.at += 1
            self._add(self.make.bound(sign, phrase, number, self._name_near(start)), number.words)
        elif phrase.kind == "number":
            self._add(self.make.number(sign, phrase, self._name_near(start)), phrase.words)
        else:
            self._note(phrase.words)
            term = self.make.of(sign, phrase)
            if self._together(start, term):
                self.terms[-1] = self.terms[-1].and_also(term)
            else:
                self.terms.append(term)
            if phrase.kind == "value" and len({v.attribute for v in phrase.meaning}) > 1:
                self.notes.append(f"{phrase.words!r} is a value of several attributes: each counts")
        self.since_term, self.cued, self.after = True, False, ""

    def _together(self, start: int, term: Term) -> bool:
        """Whether a strict term and the one before describe one thing: "no romantic comedy"."""
        before = self.phrases[start - 1].kind if start else ""
        return bool(
            before == "value" and term.strict and self.terms and self.terms[-1].sign == term.sign
        )

    def _free_words(self, start: int) -> None:
        """Words that name nothing known, as one term."""
        while self.at < len(self.phrases) and self.phrases[self.at].kind == UNKNOWN:
            self.at += 1
        words = " ".join(phrase.words for phrase in self.phrases[start : self.at])
        if self.sign is None:
            self.ignored.append(words)
        else:
            starts = start == 0 or self.phrases[start - 1].kind == "break"
            self._add(self.make.free(self.sign, words, starts=starts), words)

    def _add(self, term: Term | None, words: str) -> None:
        if term is None:
            self.unknown.append(words)
            return
        self._note(words)
        self.terms.append(term)

    def _note(self, words: str) -> None:
        """Notes a sign that the words leave open."""
        if self.cued or not self.after:
            return
        if self.after == "comma":
            self.notes.append(f"{words!r} after a comma read as wanted; write 'or' to continue")
        elif self.sign is not Sign.MORE:
            self.notes.append(f"{words!r} after 'and' read as '{self.sign}', too")

    def _name_near(self, at: int) -> str | None:
        """The numeric attribute that a neighbouring word names."""
        near = [*self.phrases[max(0, at - 3) : at][::-1], *self.phrases[self.at : self.at + 2]]
        return next((phrase.meaning for phrase in near if phrase.kind == "name"), None)


def _without_conflicts(terms: list[Term], notes: list[str]) -> tuple[list[Term], list[str]]:
    """The terms without earlier ones about a value that a later one contradicts."""
    last = {term.key: term for term in terms if term.key is not None}
    kept = []
    for term in terms:
        later = last.get(term.key) if term.key is not None else None
        if later is None or later is term or later.sign.direction == term.sign.direction:
            kept.append(term)
        else:
            notes = [*notes, f"{term.meaning} is asked for with two signs: the last one counts"]
    return kept, notes


def _with_hint(words: str, vocabulary: Vocabulary) -> str:
    known = [" ".join(own) for own in vocabulary.by_words]
    near = get_close_matches(words, known, n=1, cutoff=0.75)
    return f"{words} (did you mean {near[0]}?)" if near else words
