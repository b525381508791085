"""Which item is it: from its words to its id, and back."""

from __future__ import annotations

import numpy as np

from .base import Build, Task
from .draft import Draft, Limits
from .fields import Record
from .predictions import RankedItems, Texts
from .reviews import METRICS
from .view import CorpusView


def _item_rows(view: CorpusView, split_name: str) -> np.ndarray:
    # the item table is no interaction: every item may train; evaluation asks for the part's items
    if split_name == "train":
        return np.arange(len(view.names.ids))
    return np.unique(view.corpus.interactions.items[view.targets(split_name)])


def _item(task: str) -> Build:
    def build(view: CorpusView, item: int, rng: np.random.Generator, limits: Limits) -> Record:
        draft = Draft(view, limits)
        draft.item(item)
        return Record(task, draft.values, item=item, mentions=frozenset([item]))

    return build


TEXT_TO_ID = Task(
    name="item-text-to-id",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    given=("title", "attributes"),
    answers=("item",),
    rows=_item_rows,
    build=_item("item-text-to-id"),
    of_items=True,
)

ID_TO_TEXT = Task(
    name="item-id-to-text",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    given=("item",),
    answers=("title", "attributes"),
    rows=_item_rows,
    build=_item("item-id-to-text"),
    of_items=True,
)
