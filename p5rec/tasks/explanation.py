"""Explanation generation: why does the item suit the user?"""

from __future__ import annotations

import numpy as np

from . import explain
from .base import Task
from .fields import Record
from .predictions import Texts
from .record_builder import ITEM, LIKED, STARS, USER, Limits, RecordBuilder
from .reviews import COPYING_BASELINES, METRICS, review_rows
from .view import CorpusView


def _explanation_rows(view: CorpusView, split_name: str) -> np.ndarray:
    if "review" in view.has:
        return review_rows(view, split_name)
    has_traits = np.array([bool(traits) for traits in view.traits])[view.corpus.interactions.items]
    new = view.first & (view.depth > 0)
    return np.flatnonzero(view.targets(split_name) & view.liked & new & has_traits)


def _explanation(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    builder = RecordBuilder(view, limits)
    builder.item(item)
    recent = builder.liked(view.past(event), rng)
    builder.ratings(event)
    title, attributes = view.names.titles[item], view.attribute_text(item)
    builder.values["explanation"] = (
        explain.review_sentence(view.text("review", event), title, attributes, limits.max_words)
        if "review" in view.has
        else explain.attribute_sentence(view, item, recent, rng)
    )
    return builder.record("explanation", event, item)


EXPLANATION = Task(
    name="explanation",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=COPYING_BASELINES,
    source_fields=(*USER, *ITEM, *LIKED, *STARS),
    target_fields=("explanation",),
    rows=_explanation_rows,
    build=_explanation,
    needs=(("review", "attributes"),),
)
