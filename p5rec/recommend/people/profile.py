"""The profile of a user: facts from events and what the person wrote.

N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.core.words import words_of
from p5rec.tasks.wishes.parse import parse_wish
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Sign, Term, Wish

from .edits import EditStore, check_fact
from .facts import EventFacts, Fact

NO_EVENTS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ProfileBook:
    """The profiles of all users.

    Attributes:
        corpus: the data.
        vocabulary: of its items.
        edits: what people wrote.
    """

    corpus: Corpus
    vocabulary: Vocabulary = field(repr=False)
    edits: EditStore
    _events: EventFacts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_events", EventFacts(self.corpus, self.vocabulary))

    def of(self, user: int) -> list[Fact]:
        """The facts of a user by row number: what the person wrote, then those from events."""
        edits = self.edits.read(self.corpus.user_ids[user])
        hidden = {*edits.deleted}
        found = [fact for fact in self._events.of(user) if fact.id not in hidden]
        return [*self.written(self.corpus.user_ids[user]), *found]

    def written(self, user: str) -> list[Fact]:
        """What a person wrote, newest first; also of a user without events."""
        return [
            Fact(own.id, own.text, "person", NO_EVENTS, self._terms(own.text))
            for own in reversed(self.edits.read(user).written)
        ]

    def add(self, user: int, text: str) -> tuple[str, Wish]:
        """Writes a sentence into a profile; returns its id and what was understood.

        Raises:
            UserError: nothing was understood.
        """
        wish = parse_wish(text, self.vocabulary)
        return self.edits.add(self.corpus.user_ids[user], text), wish

    def edit(self, user: int, fact: str, text: str) -> tuple[str, Wish]:
        """Replaces a fact by a sentence; returns the new id and what was understood.

        Raises:
            UserError: there is no such fact, or nothing was understood.
        """
        check_fact(fact, [own.id for own in self.of(user)])
        wish = parse_wish(text, self.vocabulary)
        return self.edits.add(self.corpus.user_ids[user], text, replaces=fact), wish

    def delete(self, user: int, fact: str) -> None:
        """Deletes a fact.

        Raises:
            UserError: there is no such fact.
        """
        check_fact(fact, [own.id for own in self.of(user)])
        self.edits.delete(self.corpus.user_ids[user], fact)

    def find(self, user: int, query: str, n: int) -> list[Fact]:
        """The ``n`` facts of a user that are nearest to a sentence, the nearest first.

        The similarity is the largest absolute cosine between the items of a term of the sentence
        and of the fact, plus the share of the sentence's words that the fact holds. Facts without
        any are left out.
        """
        asked, words = self._terms(query), {*words_of(query)}

        def similarity(fact: Fact) -> float:
            shared = len(words & {*words_of(fact.text)}) / max(len(words), 1)
            near = [abs(_cosine(a.items, b.items)) for a in asked for b in fact.terms]
            return max(near, default=0.0) + shared

        scored = [(similarity(fact), fact) for fact in self.of(user)]
        ordered = sorted(scored, key=lambda pair: -pair[0])
        return [fact for score, fact in ordered[:n] if score > 0]

    def _terms(self, text: str) -> tuple[Term, ...]:
        """What a sentence asks for; nothing if the catalogue has lost its values."""
        try:
            return parse_wish(text, self.vocabulary).terms
        except UserError:
            return ()


def preferred(profile: Sequence[Term], wish: Sequence[Term]) -> tuple[Term, ...]:
    """The terms of a profile and a wish together; where they contradict, the wish counts.

    A term of the profile is left out if the wish has one about the same value; if it admits only
    values of an attribute of which the wish wants one; or if it excludes every item of a value that
    the wish wants.
    """
    return (*(term for term in profile if not _overridden(term, wish)), *wish)


def _overridden(own: Term, wish: Sequence[Term]) -> bool:
    for term in wish:
        if own.key is not None and own.key == term.key:
            return True
        if not own.strict or term.sign.direction < 0 or not term.exact:
            continue
        same = own.key is not None and term.key is not None and own.key[0] == term.key[0]
        if own.sign is Sign.ONLY and same:
            return True
        excluded = own.items > 0 if own.sign is Sign.NONE else own.items <= 0
        if excluded[term.items > 0].all():
            return True
    return False


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norm if norm else 0.0
