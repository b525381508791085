"""A conversation with a person."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from p5rec.tasks.dialogues.dialogue import Dialogue
from p5rec.tasks.dialogues.play import advance

from .manager import Cost, ModelManager
from .parts import Talker
from .reasons import Reason, reasons_for

# share of the catalogue up to which an item's rank falls into a bucket → the bucket
BUCKETS = {0.02: "strong match", 0.2: "good match", 1.0: "fair match"}


@dataclass(frozen=True)
class Recommended:
    """A recommended item.

    Attributes:
        id, title: of the item.
        bucket: of its score by the ranker.
        reason: why, from events and attributes that exist.
    """

    id: str
    title: str
    bucket: str
    reason: Reason


@dataclass(frozen=True)
class Turn:
    """An answer of the system.

    Attributes:
        text: all words, the items among them.
        items: the recommended items, best first; empty: it was a question.
        state: the wishes, in words.
        calls: the tool calls, in order.
        tokens: that the language model read and wrote.
        milliseconds: from the user's words to the answer.
    """

    text: str
    items: tuple[Recommended, ...]
    state: str
    calls: tuple[str, ...]
    tokens: int
    milliseconds: float


@dataclass(eq=False)
class Chat:
    """A conversation.

    Attributes:
        predictor: the system.
        dialogue: so far.
        history: ``(n,)`` liked items, oldest first.
        turns: the answers.
    """

    predictor: Talker
    dialogue: Dialogue
    history: np.ndarray
    turns: list[Turn] = field(default_factory=list)

    def say(self, text: str) -> Turn:
        """The answer to what the user says: a question or a recommendation."""
        started, dialogue = time.perf_counter(), self.dialogue
        if dialogue.turn == dialogue.limits.turns:  # as many as in training: begin again
            dialogue.turn = 0
            dialogue.asked.clear()
        before = self._spent()
        dialogue.hear(" ".join(text.split()) or "-")
        calls: list[str] = []
        while True:
            (step,) = self.predictor.manager.steps([dialogue])
            (items,) = advance([dialogue], [step], self.predictor.retriever)
            calls.append(step.text(dialogue.topics))
            if step.call.tool in ("ask", "respond"):
                break
        found = self._recommended(items or [])
        lines = [step.words, *(self._line(n, each) for n, each in enumerate(found, 1))]
        turn = Turn(
            text="\n".join(lines),
            items=found,
            state=dialogue.state.text(dialogue.topics),
            calls=tuple(calls),
            tokens=self._spent() - before,
            milliseconds=round(1000 * (time.perf_counter() - started), 1),
        )
        self.turns.append(turn)
        return turn

    def _recommended(self, items: list[int]) -> tuple[Recommended, ...]:
        catalogue, order = self.predictor.catalogue, self.dialogue.order
        reasons = reasons_for(self.predictor, self.dialogue, self.history, items)
        return tuple(
            Recommended(
                catalogue.ids[item],
                catalogue.titles[item],
                next(n for top, n in BUCKETS.items() if order[item] <= top * len(order)),
                reason,
            )
            for item, reason in zip(items, reasons, strict=True)
        )

    def _line(self, number: int, item: Recommended) -> str:
        return f"{number}. {item.title} ({item.bucket}). {item.reason.text}".rstrip()

    def _spent(self) -> int:
        manager = self.predictor.manager
        costs = manager.costs if isinstance(manager, ModelManager) else {}
        cost = costs.get(id(self.dialogue), Cost())
        return cost.read + cost.written
