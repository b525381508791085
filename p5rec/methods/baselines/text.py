"""Text baselines, which copy training texts.

They predict the most frequent training target, the target of the most similar review, or the first
sentence of the review in the prompt. They are lower bounds for a model that generates text.
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
from .text_examples import (
    TextExamples,
    has_text_target,
    has_written_targets,
    prompt_has_review,
    training_examples,
)

FILE = "texts.json"

BATCH = 256  # queries compared with all training examples at a time


@dataclass(frozen=True, eq=False)
class Texts:
    """A fitted text baseline.

    Attributes:
        common: the default prediction.
        of_item: item row → the prediction for this item.
        known: the training examples for nearest-neighbour search; None: there is no search.
        lineage: the training events.
    """

    common: str = ""
    of_item: dict[int, str] | None = None
    known: TextExamples | None = None
    lineage: Lineage | None = None

    def write(self, queries: TextExamples) -> list[str]:
        """R texts; each depends on its own query alone."""
        own = self.of_item or {}
        texts = [own.get(item, self.common) for item in queries.items.tolist()]
        if self.known is None:
            return texts
        for start in range(0, len(texts), BATCH):
            at = slice(start, start + BATCH)
            scores = self._similar(queries.texts[at])
            if not queries.has_review:
                same = self.known.items == queries.items[at, None]
                scores[~same & same.any(axis=1, keepdims=True)] = 0
            nearest = scores.argmax(axis=1)
            for row in np.flatnonzero(scores.max(axis=1) > 0).tolist():
                texts[start + row] = self.known.targets[nearest[row]]
        return texts

    @cached_property
    def _similar(self) -> Callable[[Sequence[str]], np.ndarray]:
        assert self.known is not None
        return _similarity(self.known.texts)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        known = self.known
        tree: dict[str, Any] = {"common": self.common, "of_item": None, "known": None}
        if self.of_item is not None:
            tree["of_item"] = list(self.of_item.items())
        if known is not None:
            tree["known"] = {
                "items": known.items.tolist(), "texts": list(known.texts),
                "targets": list(known.targets), "has_review": known.has_review,
            }  # fmt: skip
        write_json(folder / FILE, tree)


@dataclass(frozen=True)
class FirstSentences:
    """Predicts the first sentence of the review in the prompt."""

    @property
    def lineage(self) -> Lineage:
        """An empty lineage: it uses no training event."""
        return Lineage.none()

    def write(self, queries: TextExamples) -> list[str]:
        """R texts; each depends on its own query alone."""
        return [SENTENCE.split(text, maxsplit=1)[0] for text in queries.texts]

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`; there are no parameters."""


class TextMethod(Method):
    """A text baseline.

    Attributes:
        needs_review: it needs the review in the prompt.
    """

    task: str
    """Task that it makes predictions for."""
    max_words: int = Field(default=100, ge=1)
    """Most words of a review and of a prediction."""

    capabilities = ("write",)
    needs_review: ClassVar[bool] = False

    @field_validator("task")
    @classmethod
    def _has_text_target(cls, task: str) -> str:
        known = [name for name in TASKS if has_text_target(name)]
        known = [name for name in known if prompt_has_review(name) or not cls.needs_review]
        if task not in known:
            raise ValueError(f"expected a task whose targets users wrote ({', '.join(known)})")
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
    def reference(cls, queries: Any, view: CorpusView) -> Self | None:
        """See :class:`p5rec.methods.base.Method`."""
        usable = prompt_has_review(queries.task) or not cls.needs_review
        if not usable or not has_written_targets(view, queries.task):
            return None
        return cls.model_validate({"task": queries.task, "max_words": queries.max_words})

    def fit_examples(self, known: TextExamples) -> Any:
        """A predictor fitted to the training examples."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`; nothing is random."""
        model = self.fit_examples(
            training_examples(unnamed_view(corpus), self.task, self.max_words)
        )
        model.save(folder)
        lineage: Lineage = model.lineage
        return lineage

    def load(self, folder: Path) -> Any:
        """See :class:`p5rec.methods.base.Method`."""
        tree = read_json(folder / FILE)
        known, of_item = tree["known"], tree["of_item"]
        if known is not None:
            items = np.array(known.pop("items"), dtype=np.int32)
            known = TextExamples(items, **known, lineage=Lineage.none())
        return Texts(tree["common"], None if of_item is None else dict(of_item), known)


class MostFrequent(TextMethod):
    """The most frequent training target, for all queries; ties break alphabetically."""

    kind: Literal["most-frequent"] = "most-frequent"

    def fit_examples(self, known: TextExamples) -> Texts:
        """Counts the targets."""
        overall = Counter(known.targets)
        return Texts(_best(overall, overall), lineage=known.lineage)


class MostFrequentOfItem(TextMethod):
    """The most frequent training target of the item.

    Ties break by the frequency over all items. An item without training examples gets the most
    frequent target.
    """

    kind: Literal["most-frequent-of-item"] = "most-frequent-of-item"

    def fit_examples(self, known: TextExamples) -> Texts:
        """Counts the targets of each item."""
        return _of_items(known)


class NearestReview(TextMethod):
    """The target of the training example with the most similar review (TF-IDF with log counts,
    cosine).

    With a review in the prompt, it searches all training examples for the nearest review. Without
    one, it compares the user's training reviews with the examples of the same item, or with all if
    there are none. A query without a common word gets the most frequent target of its item.
    """

    kind: Literal["nearest-review"] = "nearest-review"

    def fit_examples(self, known: TextExamples) -> Texts:
        """Stores the training examples."""
        return _of_items(known, known)


class LeadSentence(TextMethod):
    """The first sentence of the review in the prompt; it has no parameters."""

    kind: Literal["lead-sentence"] = "lead-sentence"
    needs_review = True

    def fit_examples(self, known: TextExamples) -> FirstSentences:
        """A predictor without parameters."""
        return FirstSentences()

    def load(self, folder: Path) -> FirstSentences:
        """See :class:`p5rec.methods.base.Method`."""
        return FirstSentences()


def _of_items(known: TextExamples, compared: TextExamples | None = None) -> Texts:
    overall = Counter(known.targets)
    per_item: dict[int, Counter[str]] = {}
    for item, target in zip(known.items.tolist(), known.targets, strict=True):
        per_item.setdefault(item, Counter())[target] += 1
    best = {item: _best(counts, overall) for item, counts in per_item.items()}
    return Texts(_best(overall, overall), best, compared, known.lineage)


def _best(counts: Counter[str], overall: Counter[str]) -> str:
    return min(counts, key=lambda text: (-counts[text], -overall[text], text))


def _similarity(known: Sequence[str]) -> Callable[[Sequence[str]], np.ndarray]:
    """A function of B texts: their ``(B, R)`` float32 cosines with the R known texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(map(WORD.search, known)):
        return lambda queries: np.zeros((len(queries), len(known)), dtype=np.float32)
    vectors = TfidfVectorizer(token_pattern=WORD.pattern, sublinear_tf=True, dtype=np.float32)
    weights = vectors.fit_transform(known).T.tocsr()
    return lambda queries: (vectors.transform(queries) @ weights).toarray()
