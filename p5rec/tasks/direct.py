"""Which item suits the user, whose liked items are told in no order?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .draft import CHOICE, LIKED, USER, Draft, Limits
from .fields import Record
from .predictions import RankedItems
from .sequential import next_rows
from .view import CorpusView


def _direct(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    draft = Draft(view, limits)
    draft.liked(event, rng)
    draft.target(item)
    candidates = draft.choice(event, item, rng)
    return replace(draft.record("direct", event, item), candidates=candidates)


DIRECT = Task(
    name="direct",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    given=(*USER, *LIKED, *CHOICE),
    answers=("target",),
    rows=next_rows,
    build=_direct,
)
