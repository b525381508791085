"""What comes next: named freely, picked among a few, or is it this item?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .draft import CHOICE, HISTORY, ITEM, USER, Draft, Limits
from .fields import NO, YES, Record
from .predictions import Choices, RankedItems, Verdicts
from .view import CorpusView


def next_rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` events whose item can be asked for; training ones are first meetings."""
    # a training target that is already in the history would teach to repeat what lists leave out
    targets = view.targets(split_name)
    return np.flatnonzero(targets & view.first if split_name == "train" else targets)


def _next(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.history(event)
    draft.target(item)
    return draft.record("sequential-next", event, item)


def _pick(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    draft = Draft(view, limits)
    draft.history(event)
    draft.target(item)
    candidates = draft.choice(event, item, rng)
    return replace(draft.record("sequential-candidates", event, item), candidates=candidates)


def _yesno(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    draft = Draft(view, limits)
    draft.history(event)
    others = view.sample_negatives(event, 1, rng) if rng.random() < 0.5 else []
    item = others[0] if others else int(log.items[event])
    draft.item(item)
    draft.values["verdict"] = NO if others else YES
    return draft.record("sequential-yesno", event, item)


NEXT = Task(
    name="sequential-next",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    given=(*USER, *HISTORY),
    answers=("target",),
    rows=next_rows,
    build=_next,
)

CANDIDATES = Task(
    name="sequential-candidates",
    predictions=Choices,
    capability="recommend",
    metrics=("accuracy",),
    given=(*USER, *HISTORY, *CHOICE),
    answers=("target", "target_title"),
    rows=next_rows,
    build=_pick,
)

YESNO = Task(
    name="sequential-yesno",
    predictions=Verdicts,
    capability="predict_click",
    metrics=("accuracy", "AUC", "log loss", "Brier"),
    given=(*USER, *ITEM, *HISTORY),
    answers=("verdict",),
    rows=next_rows,
    build=_yesno,
)
