"""Plays dialogues between managers and simulated users, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .dialogue import Dialogue, Retriever
from .steps import Step
from .users import SimulatedUser


class Manager(Protocol):
    """Decides the next step of each dialogue."""

    def steps(self, dialogues: Sequence[Dialogue]) -> list[Step]:
        """The next step of each of b dialogues, each an allowed one."""
        ...


@dataclass(frozen=True)
class Outcome:
    """The end of a dialogue.

    Attributes:
        turn: the answer that recommended the target, from 1; 0: none did.
        calls: the tools that were called, in order.
    """

    turn: int
    calls: tuple[str, ...]


def play(
    dialogues: Sequence[Dialogue],
    users: Sequence[SimulatedUser],
    manager: Manager,
    retriever: Retriever,
) -> list[Outcome]:
    """Plays b dialogues to their ends; a dialogue does not depend on the others."""
    turn, calls = [0] * len(users), [list[str]() for _ in users]
    for dialogue, user in zip(dialogues, users, strict=True):
        dialogue.hear(user.opening())
    going = list(range(len(users)))
    while going:
        steps = manager.steps([dialogues[n] for n in going])
        lists = advance([dialogues[n] for n in going], steps, retriever)
        for n, step, items in zip(tuple(going), steps, lists, strict=True):
            calls[n].append(step.call.tool)
            if step.call.tool == "ask":
                dialogues[n].hear(users[n].answer(step.call.topic))
            elif items is not None:
                accepted, words = users[n].judge(items)
                turn[n] = dialogues[n].turn if accepted else 0
                if accepted or dialogues[n].turn == dialogues[n].limits.turns:
                    dialogues[n].log.append(f"user: {words}")
                    going.remove(n)
                else:
                    dialogues[n].hear(words)
    return [Outcome(t, tuple(own)) for t, own in zip(turn, calls, strict=True)]


def advance(
    dialogues: Sequence[Dialogue], steps: Sequence[Step], retriever: Retriever
) -> list[list[int] | None]:
    """Carries out one step of each dialogue; all searches are one request to the retriever."""
    pairs = list(zip(dialogues, steps, strict=True))
    searching = [n for n, (dialogue, step) in enumerate(pairs) if dialogue.begin(step)]
    found = retriever.relevance([dialogues[n].query for n in searching]) if searching else ()
    answers = dict(zip(searching, found, strict=True))
    return [each.finish(step, answers.get(n)) for n, (each, step) in enumerate(pairs)]
