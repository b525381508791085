"""Facts about a user that somebody tells, in plain language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from p5rec.tasks.dialogues.dialogue import Fact
from p5rec.tasks.dialogues.hearing import hearing_of
from p5rec.tasks.topics import Topics


class Told(TypedDict, total=False):
    """A fact.

    Attributes:
        text: in plain language, such as ``likes Comedy``.
        events: rows of the events that it comes from.
    """

    text: str
    events: Sequence[int]


def facts_told(profile: Sequence[Told | Fact | str], topics: Topics) -> tuple[Fact, ...]:
    """The facts of a profile: one for each value that a text is about, or one about none."""
    facts: list[Fact] = []
    for told in profile:
        if isinstance(told, Fact):
            facts.append(told)
            continue
        text = told if isinstance(told, str) else told["text"]
        events = () if isinstance(told, str) else tuple(told.get("events", ()))
        wishes = hearing_of(topics).wishes(text) or ((-1, True),)
        facts += [Fact(text, value, liked, events) for value, liked in wishes]
    return tuple(facts)
