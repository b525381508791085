"""Managers that follow a rule: controls.

They read the user's words with the grammar of wishes, as the language model is shown them, or know
the words of simulated users exactly. The language model is never given such a rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .dialogue import Dialogue
from .phrasings import RESPOND, questions
from .steps import NEW, Call, State, Step, Wishes
from .users import ANSWERED

Rule = Literal["random", "information", "recommend"]
Reading = Literal["heard", "exact"]
NEGATIONS = re.compile(r"\b(no|not|but|leave out|without)\b", re.IGNORECASE)


class RuledManager:
    """A manager that follows a rule.

    Args:
        rule: ``random`` asks about a random topic in every second turn, on average; otherwise it
            searches, filters, ranks and recommends. ``information`` asks about the topic whose
            answer says most about the items that match, until they fit into one list. ``recommend``
            never asks.
        understand: ``heard`` reads words with the grammar of wishes, ``exact`` knows the forms of
            simulated words: an oracle.
    """

    def __init__(self, rule: Rule, understand: Reading = "exact") -> None:
        self.rule = rule
        self.read = {"heard": heard_wishes, "exact": understood}[understand]

    def steps(self, dialogues: Sequence[Dialogue]) -> list[Step]:
        """See :class:`.play.Manager`."""
        return [self._step(each) for each in dialogues]

    def _step(self, dialogue: Dialogue) -> Step:
        calls, wishes = dialogue.allowed(), self.read(dialogue)
        questions = [call for call in calls if call.tool == "ask"]
        call = next(call for call in calls if call.tool != "ask")  # the next towards a list
        match self.rule:
            case "random":
                if questions and dialogue.opens and dialogue.rng.random() < 0.5:
                    call = questions[int(dialogue.rng.integers(len(questions)))]
            case "information":
                if wishes is not None:
                    state = dialogue.state.with_wishes(wishes)
                    call = most_informative(dialogue, state, questions) or call
        return with_words(wishes, call, dialogue)


def most_informative(dialogue: Dialogue, state: State, questions: Sequence[Call]) -> Call | None:
    """The question whose answer has the highest entropy over the items that match; None: they fit
    into one list, or no answer would tell them apart."""
    has = dialogue.topics.has
    fits = np.asarray(has[:, state.wanted].all(axis=1) & ~has[:, state.avoided].any(axis=1))
    fits[dialogue.shown] = False
    items = np.flatnonzero(fits)
    if len(items) <= dialogue.limits.listed or not questions:
        return None
    gains = [_entropy(has[items][:, dialogue.topics.topic_of == q.topic]) for q in questions]
    best = int(np.argmax(gains))
    return questions[best] if gains[best] > 0 else None


def _entropy(has: np.ndarray) -> float:
    """The entropy, in bits, of the answers about n items: of their first values.

    Args:
        has: ``(n, v)`` bool, the values of a topic.
    """
    named = has & (has.cumsum(axis=1) <= ANSWERED)
    _, counts = np.unique(named, axis=0, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def heard_wishes(dialogue: Dialogue) -> Wishes | None:
    """The wishes that the grammar of wishes hears in the user's last words; None within a turn."""
    return dialogue.heard if dialogue.opens else None


def understood(dialogue: Dialogue) -> Wishes | None:
    """The wishes in the user's last words, read by rules; None within a turn.

    Simulated users name values as they are, and what they avoid after a negation.
    """
    if not dialogue.opens:
        return None
    values = dialogue.topics.mentioned(dialogue.utterance)
    wanted = not negated(dialogue.utterance) if values else True
    return tuple((value, wanted) for value in values[:NEW])


def negated(utterance: str) -> bool:
    """Whether the last sentence of simulated words is a negation.

    A rejection precedes the sentence that names a value.
    """
    sentences = [each for each in re.split(r"(?<=[.!?])\s+", utterance) if each]
    return bool(sentences) and NEGATIONS.search(sentences[-1]) is not None


def with_words(wishes: Wishes | None, call: Call, dialogue: Dialogue) -> Step:
    """A step with a call, its words drawn at random."""
    known: tuple[str, ...] = ("",)
    if call.tool == "ask":
        known = questions(dialogue.topics.names[call.topic])
    elif call.tool == "respond":
        known = RESPOND
    return Step(wishes, call, known[int(dialogue.rng.integers(len(known)))])
