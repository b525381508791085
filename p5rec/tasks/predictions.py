"""Queries of a task with a method's predictions: one type per kind of prediction.

An object holds B queries and, after prediction, B predictions. It is stored as JSON and restored by
its ``kind``, the ``target_type`` of prompt files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config

from .fields import NO, YES, Record
from .record_builder import Limits

FILE = "predictions.json"
QUERY_FIELDS = ("task", "family", "users", "items", "events", "expected")


class Predictions(Config):
    """B queries of one task and the cost of predicting them.

    Attributes:
        kind: kind of the predictions.
        task: name of the task; predictions of one task are evaluated together.
        family: the prompt family; without a prompt, the task.
        form: the family, where the method predicts the task with several; else "".
        held_out: the prompts use a held-out template; the task name has a suffix then.
        prompt_ids: ids of the prompt templates.
        model_input: description of a model input that is no prompt; "": a prompt, or features.
        users, items, events: ``(B,)`` row numbers of each query; -1: none.
        expected: ``(B,)`` targets as text.
        seconds: prediction time of all queries.
        tokens: prompt tokens of all queries.
        shortened: number of prompts that were shortened to fit.
        cut: number of prompts that lost tokens at the length limit.
        query_fields: names of the fields that define the queries.
    """

    kind: str
    task: str
    family: str = ""
    form: str = ""
    held_out: bool = False
    prompt_ids: tuple[str, ...] = ()
    model_input: str = ""
    users: list[int]
    items: list[int]
    events: list[int]
    expected: list[str]
    seconds: float = 0.0
    tokens: int = 0
    shortened: int = 0
    cut: int = 0

    query_fields: ClassVar[tuple[str, ...]] = QUERY_FIELDS

    @classmethod
    def of(cls, task: str, target: str, records: Sequence[Record], limits: Limits) -> Self:
        """The queries of B ``records``, without predictions.

        Args:
            task: name of the task.
            target: the field of the target.
            records: one record per query.
            limits: length limits of the records.
        """
        return cls(
            task=task,
            family=task,
            users=[record.user for record in records],
            items=[record.item for record in records],
            events=[record.event for record in records],
            expected=[_words(record.values[target]) for record in records],
            **cls.target_values(records, target, limits),
        )

    @classmethod
    def target_values(
        cls, records: Sequence[Record], target: str, limits: Limits
    ) -> dict[str, Any]:
        """Fields of this kind that :meth:`of` takes from the records."""
        return {}

    def queries_only(self) -> Self:
        """The queries without the predictions of a method."""
        queries = {name: getattr(self, name) for name in self.query_fields}
        return type(self)(**{**queries, "family": self.task})

    def with_predictions(self, values: Any, seconds: float) -> Self:
        """The queries with the predictions of a method.

        Args:
            values: B predictions in the format of the task's capability.
            seconds: prediction time.
        """
        return self.model_copy(update={**self.prediction_values(values), "seconds": seconds})

    def prediction_values(self, values: Any) -> dict[str, Any]:
        """Fields of this kind that :meth:`with_predictions` sets."""
        raise ValueError(f"a capability cannot predict {self.kind}")

    def describe(self, row: int) -> list[str]:
        """The prediction for query ``row`` as text for reports."""
        return []


class RankedPredictions(Predictions):
    """Ranked lists of items.

    Attributes:
        lists: item row numbers, best first; -1 after the end of a list.
        scores: scores of the items.
    """

    lists: list[list[int]] = []
    scores: list[list[float]] = []


class RankedItems(RankedPredictions):
    """Rankings of the whole catalogue."""

    kind: Literal["item"] = "item"


class Choices(RankedPredictions):
    """Rankings of the candidates of a query; the first item is the choice."""

    kind: Literal["options"] = "options"


class Ratings(Predictions):
    """Rating predictions.

    Attributes:
        ratings: the true ratings.
        texts: generated texts; empty if the model was not trained on rating texts.
        estimates: predictions by rating estimator (see ``p5rec.recommend.ratings``); a method with
            one estimator calls it "".
        probabilities: of "liked", by rating estimator; empty if they were not requested.
    """

    kind: Literal["rating"] = "rating"
    ratings: list[float]
    texts: list[str] = []
    estimates: dict[str, list[float]] = {}
    probabilities: dict[str, list[float]] = {}

    query_fields: ClassVar[tuple[str, ...]] = (*QUERY_FIELDS, "ratings")

    @classmethod
    def target_values(
        cls, records: Sequence[Record], target: str, limits: Limits
    ) -> dict[str, Any]:
        """See :class:`Predictions`."""
        return {"ratings": [record.rating for record in records]}

    def queries_only(self) -> Self:
        """See :class:`Predictions`; the targets are numbers, whatever text the template uses."""
        expected = [_words(rating) for rating in self.ratings]
        return super().queries_only().model_copy(update={"expected": expected})

    def prediction_values(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` rating points."""
        return {"estimates": {"": values.tolist()}}

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`: the text, or the estimate of each estimator."""
        estimates = [f"{name} {values[row]:.2f}" for name, values in self.estimates.items()]
        return self.texts[row : row + 1] or estimates


class Verdicts(Predictions):
    """Yes-or-no predictions.

    Attributes:
        texts: generated texts.
        probabilities: of yes; empty if they were not requested.
    """

    kind: Literal["yesno"] = "yesno"
    texts: list[str] = []
    probabilities: list[float] = []

    def prediction_values(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` probabilities of yes."""
        texts = [YES if probability > 0.5 else NO for probability in values.tolist()]
        return {"texts": texts, "probabilities": values.tolist()}

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [self.texts[row]]


class Texts(Predictions):
    """Generated texts.

    Attributes:
        max_words: most words of a target or a prediction; longer texts were truncated.
        texts: generated texts.
    """

    kind: Literal["text"] = "text"
    max_words: int = Limits().max_words
    texts: list[str] = []

    query_fields: ClassVar[tuple[str, ...]] = (*QUERY_FIELDS, "max_words")

    @classmethod
    def target_values(
        cls, records: Sequence[Record], target: str, limits: Limits
    ) -> dict[str, Any]:
        """See :class:`Predictions`."""
        return {"max_words": limits.max_words}

    def prediction_values(self, values: Sequence[str]) -> dict[str, Any]:
        """See :class:`Predictions`; B texts."""
        return {"texts": list(values)}

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [self.texts[row]]


class Answers(Predictions):
    """Generated answers that the data determine.

    Attributes:
        texts: generated texts.
        similarities: cosine of each text's vector and the vector of its item's own text; empty: not
            computed.
        ranks: rank, from 1, of its item among the held-out items by that cosine; empty: not
            computed.
    """

    kind: Literal["answer"] = "answer"
    texts: list[str] = []
    similarities: list[float] = []
    ranks: list[int] = []

    def prediction_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`Predictions`; B of each of ``texts``, ``similarities`` and ``ranks``."""
        return dict(values)

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [self.texts[row]]


class Clicks(Predictions):
    """Click probabilities, or probabilities of another binary outcome.

    Attributes:
        clicked: the true outcomes.
        negatives: source of the negatives: ``labelled`` in the data or ``sampled`` items.
        probabilities: predicted probabilities, 0 to 1.
    """

    kind: Literal["click"] = "click"
    clicked: list[bool]
    negatives: Literal["sampled", "labelled"] = "sampled"
    probabilities: list[float] = []

    query_fields: ClassVar[tuple[str, ...]] = (*QUERY_FIELDS, "clicked", "negatives")

    @classmethod
    def target_values(
        cls, records: Sequence[Record], target: str, limits: Limits
    ) -> dict[str, Any]:
        """See :class:`Predictions`."""
        clicked = [record.values[target] == YES for record in records]
        return {"clicked": clicked, "negatives": "labelled"}

    def prediction_values(self, values: np.ndarray) -> dict[str, Any]:
        """See :class:`Predictions`; ``(B,)`` probabilities."""
        return {"probabilities": values.tolist()}

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return [f"{self.probabilities[row]:.3f}"]


class Episodes(Predictions):
    """Dialogues with simulated users.

    Attributes:
        limit: answers of the system, at most.
        turns: the answer that recommended the target, from 1; 0: none did.
        calls: tools called in each dialogue.
        tools: the tool that was chosen at a step of a transcript about each event; empty: not
            measured.
        expected_tools: the tool of the transcript at this step.
        written: tokens written in each dialogue; 0 without a language model.
        milliseconds: time of each dialogue.
        transcripts: the lines of each dialogue.
    """

    kind: Literal["dialogue"] = "dialogue"
    limit: int = 5
    turns: list[int] = []
    calls: list[list[str]] = []
    tools: list[str] = []
    expected_tools: list[str] = []
    written: list[int] = []
    milliseconds: list[float] = []
    transcripts: list[list[str]] = []

    def describe(self, row: int) -> list[str]:
        """See :class:`Predictions`."""
        return self.transcripts[row]


KINDS: Mapping[str, type[Predictions]] = {
    each.model_fields["kind"].default: each
    for each in (RankedItems, Choices, Ratings, Verdicts, Texts, Answers, Clicks, Episodes)
}


def read_predictions(path: Path) -> Predictions:
    """Reads predictions from a file written with :meth:`Predictions.dump`.

    Raises:
        UserError: the file is damaged.
    """
    tree = read_json(path)
    return KINDS[tree["kind"]](**tree)


def _words(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
