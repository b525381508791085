"""A new task in one file: did the user rate the item above the middle of the scale?"""

from __future__ import annotations

import numpy as np

from p5rec.tasks.base import Task
from p5rec.tasks.fields import NO, YES, Record
from p5rec.tasks.predictions import Verdicts
from p5rec.tasks.record_builder import HISTORY, ITEM, Limits, RecordBuilder
from p5rec.tasks.view import CorpusView

NAME = "rated-well"


def _rated_events(view: CorpusView, split_name: str) -> np.ndarray:
    return np.flatnonzero(view.targets(split_name) & view.rated)


def _build(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, scale = view.corpus.interactions, view.scale
    builder = RecordBuilder(view, limits)
    builder.history(view.past(event))
    builder.item(int(log.items[event]))
    above = log.ratings[event] > (scale.low + scale.high) / 2
    builder.values["verdict"] = YES if above else NO
    return builder.record(NAME, event, int(log.items[event]))


RATED_WELL = Task(
    name=NAME,
    predictions=Verdicts,
    capability="predict_click",
    metrics=("Brier", "accuracy"),
    references=("item-click-rate",),
    source_fields=(*ITEM, *HISTORY),
    target_fields=("verdict",),
    rows=_rated_events,
    build=_build,
    needs=(("ratings",),),
)
