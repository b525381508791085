"""What the user wrote of the item: the review, and the summary above it."""

from __future__ import annotations

import numpy as np

from .base import Build, Task
from .draft import ITEM, STARS, USER, Draft, Limits
from .fields import Record
from .predictions import Texts
from .view import CorpusView

METRICS = ("BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "groundedness")  # of texts about items
COPIED = ("most-frequent", "most-frequent-of-item", "nearest-review")  # what copying can do


def review_rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` events with a review."""
    # no past is needed: most people who write write once
    return np.flatnonzero(view.corpus.split.mask(split_name) & view.filled("review"))


def _summary_rows(view: CorpusView, split_name: str) -> np.ndarray:
    rows = review_rows(view, split_name)
    return rows[view.filled("summary")[rows]]


def _build(task: str, summary: str) -> Build:
    """The records of ``task``, the text above a review under the field ``summary``."""

    def build(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
        item = int(view.corpus.interactions.items[event])
        draft = Draft(view, limits)
        draft.item(item)
        draft.ratings(event)
        draft.values[summary] = limits.cut(view.text("summary", event))
        draft.values["review"] = limits.cut(view.text("review", event))
        return draft.record(task, event, item)

    return build


REVIEW = Task(
    name="review",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=COPIED,
    given=(*USER, *ITEM, *STARS, "headline"),
    answers=("review",),
    rows=review_rows,
    build=_build("review", "headline"),
    needs=(("review",),),
)

SUMMARY = Task(
    name="summary",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=("lead-sentence", *COPIED),
    given=(*USER, *ITEM, *STARS, "review"),
    answers=("summary",),
    rows=_summary_rows,
    build=_build("summary", "summary"),
    needs=(("review",), ("summary",)),
)
