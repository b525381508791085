"""Masked item modelling: which item of a history is hidden, given the items on both sides?

The task of BERT4Rec (Sun et al., CIKM 2019, arXiv:1904.06690) as text, with one hidden item per
prompt.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.types import TRAIN

from .base import Task
from .fields import MASK, Record
from .predictions import RankedItems
from .record_builder import USER, Limits, RecordBuilder
from .sequential import next_rows
from .view import CorpusView

MASKED = ("masked", "masked_titles")


def around(
    view: CorpusView, event: int, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A window of the user's events around ``event``, without it and other events with its item.

    The window of a training event has training events alone, and ends at random. That of a held-out
    event has the events of its history, and none after it.

    Args:
        view: the corpus.
        event: its row.
        most: number of events in the window; fewer if the user has fewer.
        rng: of the end of the window.

    Returns:
        Event rows before and after ``event``, each oldest first.
    """
    log, of_event = view.corpus.interactions, view.corpus.split.of_event
    before, after = view.past(event), np.arange(event + 1, log.offsets[log.users[event] + 1])
    after = after[(of_event[after] == TRAIN) & (of_event[event] == TRAIN)]
    before, after = (rows[log.items[rows] != log.items[event]] for rows in (before, after))
    total = min(most, len(before) + len(after))
    later = int(rng.integers(max(0, total - len(before)), min(total, len(after)) + 1))
    return before[len(before) - (total - later) :], after[:later]


def _masked(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, builder = view.corpus.interactions, RecordBuilder(view, limits)
    sides = [log.items[rows].tolist() for rows in around(view, event, limits.max_history, rng)]
    for name, known in zip(MASKED, (view.names.ids, view.names.titles), strict=True):
        before, after = (tuple(known[item] for item in items) for items in sides)
        builder.values[name] = (*before, MASK, *after)
    builder.mentions.update(*sides)
    item = int(log.items[event])
    builder.target(item)
    return builder.record("masked-items", event, item)


MASKED_ITEMS = Task(
    name="masked-items",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    source_fields=(*USER, *MASKED),
    target_fields=("target",),
    rows=next_rows,
    build=_masked,
)
