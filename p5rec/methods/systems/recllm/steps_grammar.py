"""The grammar of a step: no other tool, topic, value or word can be written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from p5rec.decode.grammar import Grammar, Piece, any_of, choice, in_order, literal
from p5rec.tasks.dialogues.dialogue import Dialogue
from p5rec.tasks.dialogues.phrasings import RESPOND, questions
from p5rec.tasks.dialogues.steps import AND, ANY, NEW, THEN, WITH, WITHOUT, WORDS, Call, call_text
from p5rec.tasks.topics import Topics

Understanding = Literal["heard", "named", "free"]


@dataclass(eq=False)
class StepGrammars:
    """The grammar of the next step of a dialogue, by what is allowed.

    Attributes:
        topics: the values and topics.
        understand: wishes are about values that the user's words name (``named``), about those and
            the values that the grammar of wishes hears (``heard``), or about all (``free``).
    """

    topics: Topics
    understand: Understanding = "heard"
    _calls: dict[tuple[Call, ...], Grammar] = field(default_factory=dict)
    _openings: dict[tuple[str, ...], Grammar] = field(default_factory=dict)
    _joined: dict[tuple[tuple[str, ...], tuple[Call, ...]], Grammar] = field(default_factory=dict)

    def of(self, dialogue: Dialogue) -> Grammar:
        """The grammar of the next step."""
        allowed = dialogue.allowed()
        if allowed not in self._calls:
            self._calls[allowed] = Grammar.of(any_of(*map(self._call, allowed)))
        if not dialogue.opens:
            return self._calls[allowed]
        values = self._values(dialogue)
        key = values, allowed
        if key not in self._joined:
            self._joined[key] = self.opening(values).followed_by(self._calls[allowed])
        return self._joined[key]

    def _values(self, dialogue: Dialogue) -> tuple[str, ...]:
        """The values that wishes may be about."""
        if self.understand == "free":
            return self.topics.values
        found = {*self.topics.mentioned(dialogue.utterance)}
        if self.understand == "heard":
            found |= {value for value, _ in dialogue.heard}
        return tuple(self.topics.values[n] for n in sorted(found))

    def opening(self, values: tuple[str, ...]) -> Grammar:
        """The grammar of wishes about ``values``, up to the call."""
        if values not in self._openings:
            self._openings[values] = Grammar.of(in_order(_wishes(values), literal(THEN)))
        return self._openings[values]

    @property
    def longest(self) -> int:
        """Bytes of the longest step; a token has at least one."""
        value = max((len(each.encode()) for each in self.topics.values), default=0)
        words = [*RESPOND, *(text for name in self.topics.names for text in questions(name))]
        topic = max((len(each.encode()) for each in self.topics.names), default=0)
        call = len("respond ") + topic + len(WORDS) + max(len(each.encode()) for each in words)
        return NEW * (len(WITH + AND) + value) + len(ANY + THEN) + call

    def _call(self, call: Call) -> Piece:
        text = literal(call_text(call, self.topics))
        if call.tool == "ask":
            words = choice(questions(self.topics.names[call.topic]))
        elif call.tool == "respond":
            words = choice(RESPOND)
        else:
            return text
        return in_order(text, literal(WORDS), words)


def _wishes(values: tuple[str, ...]) -> Piece:
    if not values:
        return literal(ANY)
    wish = in_order(choice((WITH, WITHOUT)), choice(values))
    more = Piece("repeat", children=(in_order(literal(AND), wish),), least=0, most=NEW - 1)
    return any_of(literal(ANY), in_order(wish, more))
