"""Simulated users of dialogues (after Friedman et al. 2023, arXiv:2305.07961, section 6).

A user wants one item, the target, and has an intent. The words of a user never hold the title of
the target before the system has recommended it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..topics import Topics
from .phrasings import FILLERS, Half, phrasings

Kind = Literal["honest", "null", "stubborn"]
Intent = Literal["vague", "specific", "contrary"]
INTENTS: tuple[Intent, ...] = ("vague", "specific", "contrary")
VOLUNTEERS = 0.5  # probability of naming a value when rejecting
ANSWERED = 2  # values that an answer names at most
LAST_WORDS = "Hmm."  # where every phrasing would hold the title


@dataclass(frozen=True, eq=False)
class Wish:
    """What a simulated user wants.

    Attributes:
        target: the item.
        title: its title.
        intent: ``specific`` names a value of the target at once, ``contrary`` one that the target
            lacks, ``vague`` none.
    """

    target: int
    title: str
    intent: Intent


@dataclass(eq=False)
class SimulatedUser:
    """A user who answers questions about the target.

    Attributes:
        wish: the target and the intent.
        topics: the values of the items.
        rng: of every choice.
        half: of the phrasings.
        source: the item whose values the user names: the target.
        said: values that the user has named.
    """

    wish: Wish
    topics: Topics
    rng: np.random.Generator
    half: Half = "training"
    source: int = -1
    said: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.source = self.wish.target

    def opening(self) -> str:
        """The first words."""
        match self.wish.intent:
            case "specific":
                return self._named(self._unsaid()[:1], "want") or self._say("open")
            case "contrary":
                return self._named(self._lacking()[:1], "avoid") or self._say("open")
        return self._say("open")

    def answer(self, topic: int) -> str:
        """The answer to a question about a topic: values of the target, if it has some."""
        own = self._sayable(self.topics.of_item(self.source, topic))
        return self._named(own[:ANSWERED], "want") or self._say("open to all")

    def judge(self, items: Sequence[int]) -> tuple[bool, str]:
        """Whether the user accepts one of the recommended ``items``, and the words."""
        if self.wish.target in items:
            text = phrasings("accept", self.half)[int(self.rng.integers(4))]
            return True, text.format(title=self.wish.title)
        words = self._say("reject")
        more = self._unsaid()[: int(self.rng.random() < VOLUNTEERS)]
        return False, f"{words} {self._named(more, 'want')}".strip()

    def _unsaid(self) -> list[int]:
        own = self._sayable(self.topics.of_item(self.source))
        own = [value for value in own if value not in self.said]
        return self.rng.permutation(own).tolist()

    def _lacking(self) -> list[int]:
        """Values that the source lacks, drawn in proportion to their items."""
        lacks = np.flatnonzero(~self.topics.has[self.source])
        lacks = np.array(self._sayable(lacks.tolist()), dtype=np.int64)
        if not len(lacks):
            return []
        weights = self.topics.has[:, lacks].sum(axis=0)
        return [int(self.rng.choice(lacks, p=weights / weights.sum()))]

    def _sayable(self, values: Sequence[int]) -> list[int]:
        """The ``values`` whose texts do not hold the title."""
        return [n for n in values if not holds(self.topics.values[n], self.wish.title)]

    def _named(self, values: Sequence[int], act: str) -> str:
        """A sentence about values; "" without any."""
        if not values:
            return ""
        self.said.update(values)
        return self._say(act, " and ".join(self.topics.values[n] for n in values))

    def _say(self, act: str, value: str = "") -> str:
        """A phrasing without the title of the target."""
        known, fillers = phrasings(act, self.half), FILLERS[self.half]
        filler = fillers[int(self.rng.integers(len(fillers)))]
        for n in self.rng.permutation(len(known)).tolist():
            text = filler + known[n].format(value=value)
            if not holds(text, self.wish.title):
                return text
        return LAST_WORDS


class NullUser(SimulatedUser):
    """Control: the user talks about another item, so that words say nothing about the target."""

    def __post_init__(self) -> None:
        self.source = int(self.rng.integers(len(self.topics.has)))


class StubbornUser(SimulatedUser):
    """Control: the user answers no question and names no value."""

    def opening(self) -> str:
        """See :class:`SimulatedUser`."""
        return self._say("open")

    def answer(self, topic: int) -> str:
        """See :class:`SimulatedUser`."""
        return self._say("open")

    def _unsaid(self) -> list[int]:
        return []


USERS: dict[Kind, type[SimulatedUser]] = {
    "honest": SimulatedUser, "null": NullUser, "stubborn": StubbornUser,
}  # fmt: skip


def holds(text: str, title: str) -> bool:
    """Whether ``text`` holds a title, between word boundaries and without regard to case."""
    return bool(title) and bool(
        re.search(rf"(?<!\w){re.escape(title.strip())}(?!\w)", text, re.IGNORECASE)
    )


def simulated(
    kind: Kind, wish: tuple[int, str], topics: Topics, rng: np.random.Generator, half: Half
) -> SimulatedUser:
    """A user of a kind with a random intent.

    Args:
        wish: the target and its title.
    """
    intent = INTENTS[int(rng.integers(len(INTENTS)))]
    return USERS[kind](Wish(*wish, intent), topics, rng, half)
