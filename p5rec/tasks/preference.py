"""Pairwise preference: which of two items does the user choose?

The comparison of Bayesian personalised ranking (Rendle et al., UAI 2009, arXiv:1205.2618) as text:
an item of the user against a sampled one. The user is a set of other items, in no order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .fields import Record
from .masked_items import around
from .predictions import Choices
from .record_builder import CHOICE, USER, Limits, RecordBuilder
from .sequential import next_rows
from .view import CorpusView

PAIR = 2
OTHERS = ("others", "other_titles")


def _prefer(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    builder = RecordBuilder(view, replace(limits, candidates=PAIR))
    sides = around(view, event, limits.max_history, rng)
    others = rng.permutation(log.items[np.concatenate(sides)]).tolist()
    for name, known in zip(OTHERS, (view.names.ids, view.names.titles), strict=True):
        builder.values[name] = tuple(known[item] for item in others)
    builder.mentions.update(others)
    item = int(log.items[event])
    builder.target(item)
    candidates = builder.choice(event, item, rng)
    return replace(builder.record("preference", event, item), candidates=candidates)


PREFERENCE = Task(
    name="preference",
    predictions=Choices,
    capability="recommend",
    metrics=("accuracy",),
    source_fields=(*USER, *OTHERS, *CHOICE),
    target_fields=("target", "target_title"),
    rows=next_rows,
    build=_prefer,
)
