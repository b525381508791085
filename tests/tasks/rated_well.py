"""A task in a file of its own: did the user rate the item above the middle of the scale?"""

from __future__ import annotations

import numpy as np

from p5rec.tasks.base import Task
from p5rec.tasks.draft import HISTORY, ITEM, Draft, Limits
from p5rec.tasks.fields import NO, YES, Record
from p5rec.tasks.predictions import Verdicts
from p5rec.tasks.view import CorpusView

NAME = "rated-well"


def _rows(view: CorpusView, part: str) -> np.ndarray:
    return np.flatnonzero(view.targets(part) & view.rated)


def _build(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, scale = view.corpus.interactions, view.scale
    draft = Draft(view, limits)
    draft.history(event)
    draft.item(int(log.items[event]))
    above = log.ratings[event] > (scale.low + scale.high) / 2
    draft.values["verdict"] = YES if above else NO
    return draft.record(NAME, event, int(log.items[event]))


RATED_WELL = Task(
    name=NAME,
    predictions=Verdicts,
    capability="predict_click",
    metrics=("Brier", "accuracy"),
    references=("item-click-rate",),
    given=(*ITEM, *HISTORY),
    answers=("verdict",),
    rows=_rows,
    build=_build,
    needs=(("ratings",),),
)
