"""What a method answers to the questions of a task: a type for each kind of prediction.

A value holds B questions and, once they are answered, the predictions. It is stored as JSON and
read back by its ``kind``, which is what a prompt file calls its ``answer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config

from .draft import Limits
from .fields import NO, YES, Record

FILE = "predictions.json"
QUESTION = ("task", "family", "users", "items", "events", "expected")


class Predictions(Config):
    """B questions of one task, and what answering them took.

    Attributes:
        kind: of the predictions.
        task: what is asked; predictions of one task are measured together.
        family: the prompt family, or the task where there is none.
        form: tells this form of the task from others that the method was asked in; empty: none.
        unseen: the wording is one that no training row had; the task says so too.
        prompt_ids: wordings used.
        read: what was read in place of a prompt; empty: a prompt, or a method's own features.
        users, items, events: rows each question is about; -1 where none.
        expected: the right answers in words.
        seconds: all answers together.
        tokens: of all questions.
        shortened, cut: questions that were too long: made to show less, and of these and others
            such as lost words (see ``p5rec.models.inputs.Question``).
        question: names of the fields that make the questions.
    """

    kind: str
    task: str
    family: str = ""
    form: str = ""
    unseen: bool = False
    prompt_ids: tuple[str, ...] = ()
    read: str = ""
    users: list[int]
    items: list[int]
    events: list[int]
    expected: list[str]
    seconds: float = 0.0
    tokens: int = 0
    shortened: int = 0
    cut: int = 0

    question: ClassVar[tuple[str, ...]] = QUESTION

    @classmethod
    def of(cls, task: str, answer: str, records: Sequence[Record], limits: Limits) -> Self:
        """The questions of B ``records``, not answered.

        Args:
            task: that made them.
            answer: the field that holds the right answer.
            limits: how much the records show.
        """
        return cls(
            task=task,
            family=task,
            users=[record.user for record in records],
            items=[record.item for record in records],
            events=[record.event for record in records],
            expected=[_words(record.values[answer]) for record in records],
            **cls.truth(records, answer, limits),
        )

    @classmethod
    def truth(cls, records: Sequence[Record], answer: str, limits: Limits) -> dict[str, Any]:
        """Fields of a kind's own that :meth:`of` takes from the records."""
        return {}

    def unanswered(self) -> Self:
        """The questions alone, asked of no method in particular."""
        told = {name: getattr(self, name) for name in self.question}
        return type(self)(**{**told, "family": self.task})

    def answered(self, values: Any, seconds: float) -> Self:
        """The questions with the answers of a capability.

        Args:
            values: B answers as the task's capability gives them.
            seconds: they took.
        """
        return self.model_copy(update={**self.answers(values), "seconds": seconds})

    def answers(self, values: Any) -> dict[str, Any]:
        """Fields of a kind's own that :meth:`answered` fills."""
        raise ValueError(f"a capability's values are no {self.kind} predictions")

    def shown(self, row: int) -> list[str]:
        """The prediction for question ``row`` in words, for a reader."""
        return []


class Listed(Predictions):
    """Items in order.

    Attributes:
        lists, scores: ranked items, best first, -1 where a list ended.
    """

    lists: list[list[int]] = []
    scores: list[list[float]] = []


class RankedItems(Listed):
    """Lists out of the whole catalogue."""

    kind: Literal["item"] = "item"


class Choices(Listed):
    """Lists out of a question's own options; the first item is the choice."""

    kind: Literal["options"] = "options"


class Ratings(Predictions):
    """Ratings.

    Attributes:
        ratings: those given.
        texts: written answers; empty where words were not taught.
        readings: what each further reading says (see ``p5rec.recommend.ratings``); of a method
            with one way to rate, the reading "".
        chances: of being liked, by reading; empty where no probability was asked for.
    """

    kind: Literal["rating"] = "rating"
    ratings: list[float]
    texts: list[str] = []
    readings: dict[str, list[float]] = {}
    chances: dict[str, list[float]] = {}

    question: ClassVar[tuple[str, ...]] = (*QUESTION, "ratings")

    @classmethod
    def truth(cls, records: Sequence[Record], answer: str, limits: Limits) -> dict[str, Any]:
        """See :class:`Predictions`."""
        return {"ratings": [record.rating for record in records]}

    def unanswered(self) -> Self:
        """See :class:`Predictions`; a wording's own words for the ratings are left out."""
        expected = [_words(rating) for rating in self.ratings]
        return super().unanswered().model_copy(update={"expected": expected})

    def answers(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` rating points."""
        return {"readings": {"": values.tolist()}}

    def shown(self, row: int) -> list[str]:
        """See :class:`Predictions`: the text, or what each reading says."""
        read = [f"{name} {said[row]:.2f}" for name, said in self.readings.items()]
        return self.texts[row : row + 1] or read


class Verdicts(Predictions):
    """Answers of yes or no.

    Attributes:
        texts: written answers.
        chances: of yes; empty where no probability was asked for.
    """

    kind: Literal["yesno"] = "yesno"
    texts: list[str] = []
    chances: list[float] = []

    def answers(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` probabilities of yes."""
        texts = [YES if chance > 0.5 else NO for chance in values.tolist()]
        return {"texts": texts, "chances": values.tolist()}

    def shown(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [self.texts[row]]


class Texts(Predictions):
    """Texts.

    Attributes:
        max_words: of a review or an answer, where it was cut.
        texts: written answers.
    """

    kind: Literal["text"] = "text"
    max_words: int = Limits().max_words
    texts: list[str] = []

    question: ClassVar[tuple[str, ...]] = (*QUESTION, "max_words")

    @classmethod
    def truth(cls, records: Sequence[Record], answer: str, limits: Limits) -> dict[str, Any]:
        """See :class:`Predictions`."""
        return {"max_words": limits.max_words}

    def answers(self, values: Sequence[str]) -> dict[str, Any]:
        """See :class:`Predictions`; B texts."""
        return {"texts": list(values)}

    def shown(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [self.texts[row]]


class Clicks(Predictions):
    """Probabilities of a click, or of whatever else happens or does not.

    Attributes:
        clicked: whether it happened.
        negatives: what did not happen was ``labelled`` so in the data, or is an item that was
            ``drawn``.
        chances: probabilities that it does, 0 to 1.
    """

    kind: Literal["click"] = "click"
    clicked: list[bool]
    negatives: Literal["drawn", "labelled"] = "drawn"
    chances: list[float] = []

    question: ClassVar[tuple[str, ...]] = (*QUESTION, "clicked", "negatives")

    @classmethod
    def truth(cls, records: Sequence[Record], answer: str, limits: Limits) -> dict[str, Any]:
        """See :class:`Predictions`."""
        labelled = any(record.labelled for record in records)
        return {
            "clicked": [record.values[answer] == YES for record in records],
            "negatives": "labelled" if labelled else "drawn",
        }

    def answers(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` probabilities."""
        return {"chances": values.tolist()}

    def shown(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [f"{self.chances[row]:.3f}"]


KINDS: Mapping[str, type[Predictions]] = {
    each.model_fields["kind"].default: each
    for each in (RankedItems, Choices, Ratings, Verdicts, Texts, Clicks)
}


def read_predictions(path: Path) -> Predictions:
    """What :meth:`Predictions.dump` wrote into a file.

    Raises:
        UserError: the file is damaged.
    """
    tree = read_json(path)
    return KINDS[tree["kind"]](**tree)


def _words(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
