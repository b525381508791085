"""Why does the item suit the user?"""

from __future__ import annotations

import numpy as np

from . import explain
from .base import Task
from .draft import ITEM, LIKED, STARS, USER, Draft, Limits
from .fields import Record
from .predictions import Texts
from .reviews import COPIED, METRICS, review_rows
from .view import CorpusView


def _explanation_rows(view: CorpusView, split_name: str) -> np.ndarray:
    if "review" in view.has:
        return review_rows(view, split_name)
    told = np.array([bool(traits) for traits in view.traits])[view.corpus.interactions.items]
    new = view.first & (view.depth > 0)
    return np.flatnonzero(view.targets(split_name) & view.liked & new & told)


def _explanation(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.item(item)
    recent = draft.liked(event, rng)
    draft.ratings(event)
    title, attributes = view.names.titles[item], view.attribute_text(item)
    draft.values["explanation"] = (
        explain.quoted(view.text("review", event), title, attributes, limits.max_words)
        if "review" in view.has
        else explain.grounded(view, item, recent, rng)
    )
    return draft.record("explanation", event, item)


EXPLANATION = Task(
    name="explanation",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    references=COPIED,
    given=(*USER, *ITEM, *LIKED, *STARS),
    answers=("explanation",),
    rows=_explanation_rows,
    build=_explanation,
    needs=(("review", "attributes"),),
)
