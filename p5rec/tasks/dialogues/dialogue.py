"""One dialogue: the state, the results of tools, and the calls that are allowed.

N items, V values, b dialogues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..topics import Topics
from .hearing import heard
from .steps import Call, State, Step, Wishes, wishes_text

FACTS = 2  # known about a user from the history, at most
LEAST = 2  # events behind a fact
MEMORY = 1.0  # what a matching fact adds to the score -log(1 + rank)


@dataclass(frozen=True)
class Fact:
    """What is known about a user from earlier.

    Attributes:
        text: in plain language.
        value: the attribute value that it is about; -1: none.
        liked: whether the user likes it, or dislikes it.
        events: rows of the events that it comes from.
    """

    text: str
    value: int = -1
    liked: bool = True
    events: tuple[int, ...] = ()


def facts_from(topics: Topics, items: np.ndarray, events: Sequence[int]) -> tuple[Fact, ...]:
    """Facts about a user: the values that liked items have more often than all items.

    Args:
        items: ``(n,)`` liked items.
        events: n, their event rows.
    """
    if not len(items):
        return ()
    has = topics.has[items]
    lift = has.mean(axis=0) - topics.has.mean(axis=0)
    best = np.argsort(-lift, kind="stable")[:FACTS].tolist()
    return tuple(
        Fact(f"likes {topics.values[n]}", n, True, tuple(np.array(events)[has[:, n]].tolist()))
        for n in best
        if lift[n] > 0 and has[:, n].sum() >= LEAST
    )


def facts_uttered(topics: Topics, wishes: Wishes, event: int) -> tuple[Fact, ...]:
    """Facts about a user: the last wishes of an earlier dialogue.

    Args:
        wishes: oldest first.
        event: row of the event that the dialogue was about.
    """
    return tuple(
        Fact(f"{'likes' if wanted else 'dislikes'} {topics.values[n]}", n, wanted, (event,))
        for n, wanted in wishes[-FACTS:]
    )


class Query(NamedTuple):
    """What a retriever reads.

    Attributes:
        state: the user's wishes.
        utterance: the user's last words.
        facts: that hold now.
    """

    state: State
    utterance: str
    facts: tuple[Fact, ...] = ()


class Retriever(Protocol):
    """Finds items for queries."""

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """``(b, N)`` float32, larger for items that fit better."""
        ...


@dataclass(frozen=True, eq=False)
class AttributeSearch:
    """A retriever that counts the wanted values of an item."""

    topics: Topics

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """See :class:`Retriever`."""
        wanted = np.zeros((len(queries), len(self.topics.values)), dtype=np.float32)
        for row, query in zip(wanted, queries, strict=True):
            row[query.state.wanted] = 1
        return wanted @ self.topics.has.T.astype(np.float32)


@dataclass(frozen=True)
class Limits:
    """Limits of a dialogue.

    Attributes:
        turns: answers of the system, at most.
        pool: items that a search finds.
        listed: items of a recommendation.
    """

    turns: int = 5
    pool: int = 100
    listed: int = 5


NEW = State()


@dataclass(eq=False)
class Dialogue:
    """A dialogue so far.

    Attributes:
        topics: the values of the items.
        order: ``(N,)`` int64, the rank of each item for the user, without the dialogue.
        facts: what is known about the user.
        limits: of the dialogue.
        state: the wishes.
        utterance: the user's last words; "" after the first step of a turn.
        turn: number of the answer that is being made, from 1.
        found: items that a search found, best first; None: no search since the state changed.
        stage: the tool that made ``found``.
        asked: topics of earlier questions.
        shown: items that are not recommended: earlier recommendations, and known items.
        log: the lines of the dialogue.
        rng: of policies that draw at random.
    """

    topics: Topics
    order: np.ndarray
    facts: tuple[Fact, ...] = ()
    limits: Limits = Limits()
    state: State = NEW
    utterance: str = ""
    turn: int = 0
    found: np.ndarray | None = None
    stage: str = ""
    asked: set[int] = field(default_factory=set)
    shown: list[int] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def hear(self, utterance: str) -> None:
        """The user says something: a turn begins."""
        self.utterance, self.turn = utterance, self.turn + 1
        self.found, self.stage = None, ""
        self.log.append(f"user: {utterance}")

    def copy(self) -> Dialogue:
        """The dialogue as it is now, without its log."""
        return replace(self, asked=set(self.asked), shown=list(self.shown), log=[])

    @property
    def opens(self) -> bool:
        """Whether the next step is the first of its turn, which writes the wishes."""
        return bool(self.utterance)

    def allowed(self) -> tuple[Call, ...]:
        """The calls that are possible now, at least one.

        A question about a topic comes once. ``filter`` and ``rank`` need results, ``respond``
        ranked ones. The last answer recommends.
        """
        calls = []
        if self.found is None:
            calls.append(Call("search"))
        elif self.stage == "search":
            calls += [Call("filter"), Call("rank")]
        elif self.stage == "filter":
            calls.append(Call("rank"))
        else:
            calls.append(Call("respond"))
        if self.turn < self.limits.turns:
            free = (n for n in range(len(self.topics.names)) if n not in self.asked)
            calls += [Call("ask", topic) for topic in free]
        return tuple(calls)

    def values(self) -> dict[str, Any]:
        """The fields of a prompt about the next step."""
        return {
            "facts": "; ".join(fact.text for fact in self.holding()) or "nothing",
            "state": self.state.text(self.topics),
            "results": self.results(),
            "utterance": self.topics.marked(self.utterance) or "-",
            "heard": wishes_text(self.heard, self.topics) if self.opens else "-",
        }

    @property
    def heard(self) -> Wishes:
        """What the grammar of wishes hears in the user's last words (:mod:`.hearing`)."""
        return heard(self.topics, self.utterance)

    def results(self) -> str:
        """The turn, and the number of results, rounded to its first digit above ten."""
        if self.found is None:
            return f"turn {self.turn}"
        count = len(self.found)
        size = 10 ** max(0, len(str(count)) - 1)
        return f"turn {self.turn}, {self.stage} {count // size * size}"

    def holding(self) -> tuple[Fact, ...]:
        """The facts that the present wishes do not override.

        A wish about a value overrides facts about it; a wanted value overrides facts about the
        other values of its topic.
        """
        topic_of = self.topics.topic_of
        named = {value for value, _ in self.state.wishes}
        wanted = {int(topic_of[value]) for value in self.state.wanted}
        return tuple(fact for fact in self.facts if not self._overridden(fact, named, wanted))

    def _overridden(self, fact: Fact, named: set[int], wanted: set[int]) -> bool:
        of_topic = fact.value >= 0 and int(self.topics.topic_of[fact.value]) in wanted
        return fact.value in named or of_topic

    def begin(self, step: Step) -> bool:
        """Reads the wishes of a step; returns whether a retriever has to answer :attr:`query`."""
        self.state = self.state.with_wishes(step.wishes or ())
        self.log.append(f"{step.call.tool}: {step.text(self.topics)}")
        return step.call.tool == "search"

    @property
    def query(self) -> Query:
        """The query of a search."""
        return Query(self.state, self.utterance, self.holding())

    def finish(self, step: Step, relevance: np.ndarray | None = None) -> list[int] | None:
        """Carries out a step that has begun; returns the items of a recommendation.

        Args:
            relevance: ``(N,)`` the answer of the retriever to a search.
        """
        match step.call.tool:
            case "search":
                assert relevance is not None, "a search has an answer"
                self.found, self.stage = self._search(relevance), "search"
            case "filter":
                assert self.found is not None, "allowed after a search"
                fits = self.topics.has[self.found][:, self.state.wanted].all(axis=1)
                self.found, self.stage = self.found[fits], "filter"
            case "rank":
                assert self.found is not None, "allowed after a search"
                self.found, self.stage = self._rank(self.found), "rank"
            case "ask":
                self.asked.add(step.call.topic)
            case "respond":
                assert self.found is not None, "allowed after a ranking"
                items = self.found[: self.limits.listed].tolist()
                self.shown += items
                self.utterance = ""
                return items
        self.utterance = ""
        return None

    def _search(self, relevance: np.ndarray) -> np.ndarray:
        """The best items without avoided values that were not shown yet."""
        may = np.asarray(~self.topics.has[:, self.state.avoided].any(axis=1))
        may[self.shown] = False
        items = np.flatnonzero(may)
        best = np.lexsort((self.order[items], -relevance[items]))
        return items[best[: self.limits.pool]]

    def _rank(self, items: np.ndarray) -> np.ndarray:
        scores = -np.log1p(self.order[items].astype(np.float64))
        for fact in self.holding():
            if fact.value >= 0:
                scores += (1 if fact.liked else -1) * MEMORY * self.topics.has[items, fact.value]
        return items[np.argsort(-scores, kind="stable")]
