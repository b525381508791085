"""Review and summary generation."""

from __future__ import annotations

import numpy as np

from .base import Build, Task
from .fields import Record
from .predictions import Texts
from .record_builder import ITEM, STARS, USER, Limits, RecordBuilder
from .view import CorpusView

METRICS = (
    "BLEU-4",
    "ROUGE-1",
    "ROUGE-2",
    "ROUGE-L",
    "groundedness",
)  # of generated texts about items
COPYING_BASELINES = ("most-frequent", "most-frequent-of-item", "nearest-review")


def review_rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` events with a review."""
    # no history is required: most reviewers write one review
    return np.flatnonzero(view.corpus.split.mask(split_name) & view.filled("review"))


def _summary_rows(view: CorpusView, split_name: str) -> np.ndarray:
    rows = review_rows(view, split_name)
    return rows[view.filled("summary")[rows]]


def _build(task: str, summary: str) -> Build:
    """A record builder for ``task``; ``summary`` names the field of the review's summary."""

    def build(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
        item = int(view.corpus.interactions.items[event])
        builder = RecordBuilder(view, limits)
        builder.item(item)
        builder.ratings(event)
        builder.values[summary] = limits.cut(view.text("summary", event))
        builder.values["review"] = limits.cut(view.text("review", event))
        return builder.record(task, event, item)

    return build


REVIEW = Task(
    name="review",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=COPYING_BASELINES,
    source_fields=(*USER, *ITEM, *STARS, "headline"),
    target_fields=("review",),
    rows=review_rows,
    build=_build("review", "headline"),
    needs=(("review",),),
)

SUMMARY = Task(
    name="summary",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=("lead-sentence", *COPYING_BASELINES),
    source_fields=(*USER, *ITEM, *STARS, "review"),
    target_fields=("summary",),
    rows=_summary_rows,
    build=_build("summary", "summary"),
    needs=(("review",), ("summary",)),
)
