"""Direct recommendation from the user's liked items, in no order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .fields import Record
from .predictions import RankedItems
from .record_builder import CHOICE, LIKED, USER, Limits, RecordBuilder
from .sequential import next_rows
from .view import CorpusView


def _direct(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    builder = RecordBuilder(view, limits)
    builder.liked(view.past(event), rng)
    builder.target(item)
    candidates = builder.choice(event, item, rng)
    return replace(builder.record("direct", event, item), candidates=candidates)


DIRECT = Task(
    name="direct",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    source_fields=(*USER, *LIKED, *CHOICE),
    target_fields=("target",),
    rows=next_rows,
    build=_direct,
)
