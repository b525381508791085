"""Next-item tasks: full-catalogue ranking, choice among candidates, and yes or no."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .fields import NO, YES, Record
from .predictions import Choices, RankedItems, Verdicts
from .record_builder import CHOICE, HISTORY, ITEM, USER, Limits, RecordBuilder
from .view import CorpusView


def next_rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` target events; training targets are the user's first event with the item."""
    # a repeated item as training target would train recommendations that exclude_seen removes
    targets = view.targets(split_name)
    return np.flatnonzero(targets & view.first if split_name == "train" else targets)


def _next(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    builder = RecordBuilder(view, limits)
    builder.history(view.past(event))
    builder.target(item)
    return builder.record("sequential-next", event, item)


def _choose(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    builder = RecordBuilder(view, limits)
    builder.history(view.past(event))
    builder.target(item)
    candidates = builder.choice(event, item, rng)
    return replace(builder.record("sequential-candidates", event, item), candidates=candidates)


def _yesno(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    builder = RecordBuilder(view, limits)
    builder.history(view.past(event))
    negatives = view.sample_negatives(event, 1, rng) if rng.random() < 0.5 else []
    item = negatives[0] if negatives else int(log.items[event])
    builder.item(item)
    builder.values["verdict"] = NO if negatives else YES
    return builder.record("sequential-yesno", event, item)


NEXT = Task(
    name="sequential-next",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    source_fields=(*USER, *HISTORY),
    target_fields=("target",),
    rows=next_rows,
    build=_next,
)

CANDIDATES = Task(
    name="sequential-candidates",
    predictions=Choices,
    capability="recommend",
    metrics=("accuracy",),
    source_fields=(*USER, *HISTORY, *CHOICE),
    target_fields=("target", "target_title"),
    rows=next_rows,
    build=_choose,
)

YESNO = Task(
    name="sequential-yesno",
    predictions=Verdicts,
    capability="predict_click",
    metrics=("accuracy", "AUC", "log loss", "Brier"),
    source_fields=(*USER, *ITEM, *HISTORY),
    target_fields=("verdict",),
    rows=next_rows,
    build=_yesno,
)
