"""The steps of a dialogue manager as text: the state's change, then one tool call with its words.

    with Comedy, no Horror > ask decade: Which decade?
    filter

The first step of a turn writes the wishes in the user's last words, which update the state; later
steps are calls alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..topics import Topics

TOOLS = ("search", "filter", "rank", "ask", "respond")
WITH, WITHOUT, ANY, THEN, AND, WORDS = "with ", "no ", "any", " > ", ", ", ": "
MOST = 6  # wishes of a state; older ones are forgotten
NEW = 3  # wishes in a step, at most
Wishes = tuple[tuple[int, bool], ...]  # pairs of a value and whether it is wanted, oldest first


class Call(NamedTuple):
    """A tool call.

    Attributes:
        tool: one of ``TOOLS``.
        topic: of a question; -1: none.
    """

    tool: str
    topic: int = -1


@dataclass(frozen=True)
class State:
    """The wishes that the user has uttered, oldest first.

    Attributes:
        wishes: pairs of a value and whether it is wanted (or to be avoided).
    """

    wishes: Wishes = ()

    @property
    def wanted(self) -> list[int]:
        """The wanted values."""
        return [value for value, wanted in self.wishes if wanted]

    @property
    def avoided(self) -> list[int]:
        """The values to be avoided."""
        return [value for value, wanted in self.wishes if not wanted]

    def with_wishes(self, new: Iterable[tuple[int, bool]]) -> State:
        """The state after further wishes; a later wish about a value replaces the earlier one."""
        known = dict(self.wishes)
        for value, wanted in new:
            known.pop(value, None)
            known[value] = wanted
        return State(tuple(known.items())[-MOST:])

    def text(self, topics: Topics) -> str:
        """The state in words; ``any`` without wishes."""
        return wishes_text(self.wishes, topics)


def wishes_text(wishes: Wishes, topics: Topics) -> str:
    """Wishes in words; ``any`` for none."""
    words = [(WITH if wanted else WITHOUT) + topics.values[n] for n, wanted in wishes]
    return AND.join(words) or ANY


class Step(NamedTuple):
    """One step.

    Attributes:
        wishes: in the user's last words, as those of a :class:`State`; None: the step does not open
            a turn.
        call: the tool call.
        words: said to the user; "": none.
    """

    wishes: Wishes | None
    call: Call
    words: str = ""

    def text(self, topics: Topics) -> str:
        """The step as text."""
        opening = "" if self.wishes is None else wishes_text(self.wishes, topics) + THEN
        words = WORDS + self.words if self.words else ""
        return opening + call_text(self.call, topics) + words


def call_text(call: Call, topics: Topics) -> str:
    """A call without words."""
    return call.tool if call.topic < 0 else f"{call.tool} {topics.names[call.topic]}"


def read_step(text: str, topics: Topics) -> Step | None:
    """The step that a text is; None: it is no step."""
    opening, then, rest = text.rpartition(THEN) if THEN in text else ("", "", text)
    wishes = _wishes(opening, topics) if then else None
    if then and wishes is None:
        return None
    head, _, words = rest.partition(WORDS)
    tool, _, topic = head.strip().partition(" ")
    if tool not in TOOLS or (tool == "ask") != (topic in topics.names):
        return None
    return Step(wishes, Call(tool, topics.names.index(topic) if topic else -1), words.strip())


def _wishes(text: str, topics: Topics) -> Wishes | None:
    if text.strip() == ANY:
        return ()
    wishes = []
    for part in text.split(AND):
        sign = WITH if part.startswith(WITH) else WITHOUT
        value = part.removeprefix(sign)
        if not part.startswith(sign) or value not in topics.index:
            return None
        wishes.append((topics.index[value], sign == WITH))
    return tuple(wishes)
