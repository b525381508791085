"""Text baselines: what can be had by copying.

They answer with what was written in training most often, or by the nearest author, or with the
beginning of the text that the question shows. A model that writes has to beat them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.code import Work
from p5rec.core.types import Corpus
from p5rec.tasks.explain import SENTENCE, WORD
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, unnamed_view

from ..base import Inputs, Method
from .text_rows import (
    TextRows,
    asks_for_words,
    has_people_s_words,
    shows_words,
    training_rows,
)

FILE = "texts.json"

ROWS = 256  # rows asked about at a time, against all training rows


@dataclass(frozen=True, eq=False)
class Texts:
    """A fitted text baseline.

    Attributes:
        common: the answer for everybody.
        of_item: item row → the answer for it, where it has one of its own.
        known: the training rows that are compared with, where any are.
        lineage: the training events it read.
    """

    common: str = ""
    of_item: dict[int, str] | None = None
    known: TextRows | None = None
    lineage: Lineage | None = None

    def write(self, asked: TextRows) -> list[str]:
        """R texts; each depends on its own row alone."""
        own = self.of_item or {}
        texts = [own.get(item, self.common) for item in asked.items.tolist()]
        if self.known is None:
            return texts
        for start in range(0, len(texts), ROWS):
            at = slice(start, start + ROWS)
            scores = self._similar(asked.words[at])
            if not asked.shown:
                same = self.known.items == asked.items[at, None]
                scores[~same & same.any(axis=1, keepdims=True)] = 0
            nearest = scores.argmax(axis=1)
            for row in np.flatnonzero(scores.max(axis=1) > 0).tolist():
                texts[start + row] = self.known.answers[nearest[row]]
        return texts

    @cached_property
    def _similar(self) -> Callable[[Sequence[str]], np.ndarray]:
        assert self.known is not None
        return _similarity(self.known.words)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        known = self.known
        told: dict[str, Any] = {"common": self.common, "of_item": None, "known": None}
        if self.of_item is not None:
            told["of_item"] = list(self.of_item.items())
        if known is not None:
            told["known"] = {
                "items": known.items.tolist(), "words": list(known.words),
                "answers": list(known.answers), "shown": known.shown,
            }  # fmt: skip
        write_json(folder / FILE, told)


@dataclass(frozen=True)
class FirstSentences:
    """Answers with the first sentence of the text that the question shows."""

    @property
    def lineage(self) -> Lineage:
        """None: no event was read."""
        return Lineage.none()

    def write(self, asked: TextRows) -> list[str]:
        """R texts; each depends on its own row alone."""
        return [SENTENCE.split(words, maxsplit=1)[0] for words in asked.words]

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`; nothing was learned."""


class TextMethod(Method):
    """A way of copying.

    Attributes:
        needs_shown: it works on a text that the question shows.
    """

    task: str
    """Task whose prompts it answers."""
    max_words: int = Field(default=100, ge=1)
    """Most words of a review and of an answer."""

    capabilities = ("write",)
    needs_shown: ClassVar[bool] = False

    @field_validator("task")
    @classmethod
    def _answered_in_words(cls, task: str) -> str:
        wanted = [name for name in TASKS if asks_for_words(name)]
        wanted = [name for name in wanted if shows_words(name) or not cls.needs_shown]
        if task not in wanted:
            raise ValueError(f"expected a task whose answers people wrote ({', '.join(wanted)})")
        return task

    @property
    def tasks(self) -> tuple[str, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (self.task,)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, TASKS.target(self.task))

    @classmethod
    def reference(cls, asked: Any, view: CorpusView) -> Self | None:
        """See :class:`p5rec.methods.base.Method`."""
        shown = shows_words(asked.task) or not cls.needs_shown
        if not shown or not has_people_s_words(view, asked.task):
            return None
        return cls.model_validate({"task": asked.task, "max_words": asked.max_words})

    def read(self, known: TextRows) -> Any:
        """A predictor out of the training rows."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`; nothing is drawn."""
        model = self.read(training_rows(unnamed_view(corpus), self.task, self.max_words))
        model.save(folder)
        lineage: Lineage = model.lineage
        return lineage

    def load(self, folder: Path) -> Any:
        """See :class:`p5rec.methods.base.Method`."""
        told = read_json(folder / FILE)
        known, of_item = told["known"], told["of_item"]
        if known is not None:
            items = np.array(known.pop("items"), dtype=np.int32)
            known = TextRows(items, **known, lineage=Lineage.none())
        return Texts(told["common"], None if of_item is None else dict(of_item), known)


class MostFrequent(TextMethod):
    """The answer that most training rows have, to everybody; of equals, the first by letters."""

    kind: Literal["most-frequent"] = "most-frequent"

    def read(self, known: TextRows) -> Texts:
        """Count the answers."""
        overall = Counter(known.answers)
        return Texts(_best(overall, overall), lineage=known.lineage)


class MostFrequentOfItem(TextMethod):
    """The answer that most training rows about the same item have.

    Of equals it is the one more frequent over all items. An item without a training row gets what
    everybody gets.
    """

    kind: Literal["most-frequent-of-item"] = "most-frequent-of-item"

    def read(self, known: TextRows) -> Texts:
        """Count the answers of each item."""
        return _of_items(known)


class NearestReview(TextMethod):
    """The answer of the training row whose review is nearest by TF-IDF (cosine, log counts).

    Where the question shows a review, nearest to that, among all training rows. Where it does not,
    nearest to what the user wrote in training, among the rows about the same item, or all rows if
    there is none. A row that shares no word with any gets the most frequent answer of its item.
    """

    kind: Literal["nearest-review"] = "nearest-review"

    def read(self, known: TextRows) -> Texts:
        """Keep the training rows."""
        return _of_items(known, known)


class LeadSentence(TextMethod):
    """The first sentence of the text that the question shows; nothing is learned."""

    kind: Literal["lead-sentence"] = "lead-sentence"
    needs_shown = True

    def read(self, known: TextRows) -> FirstSentences:
        """Nothing."""
        return FirstSentences()

    def load(self, folder: Path) -> FirstSentences:
        """See :class:`p5rec.methods.base.Method`."""
        return FirstSentences()


def _of_items(known: TextRows, compared: TextRows | None = None) -> Texts:
    overall = Counter(known.answers)
    per_item: dict[int, Counter[str]] = {}
    for item, answer in zip(known.items.tolist(), known.answers, strict=True):
        per_item.setdefault(item, Counter())[answer] += 1
    best = {item: _best(counts, overall) for item, counts in per_item.items()}
    return Texts(_best(overall, overall), best, compared, known.lineage)


def _best(counts: Counter[str], overall: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], -overall[answer], answer))


def _similarity(known: Sequence[str]) -> Callable[[Sequence[str]], np.ndarray]:
    """B texts to their ``(B, R)`` float32 cosines with the R known ones."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(map(WORD.search, known)):
        return lambda asked: np.zeros((len(asked), len(known)), dtype=np.float32)
    vectors = TfidfVectorizer(token_pattern=WORD.pattern, sublinear_tf=True, dtype=np.float32)
    weights = vectors.fit_transform(known).T.tocsr()
    return lambda asked: (vectors.transform(asked) @ weights).toarray()
