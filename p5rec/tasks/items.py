"""Item tasks: from an item's text to its semantic id, and back."""

from __future__ import annotations

import numpy as np

from .base import Build, Task
from .fields import Record
from .predictions import RankedItems, Texts
from .record_builder import Limits, RecordBuilder
from .reviews import METRICS
from .view import CorpusView


def _item_rows(view: CorpusView, split_name: str) -> np.ndarray:
    # every item of the item table may train; evaluation uses the items of the split
    if split_name == "train":
        return np.arange(len(view.names.ids))
    return np.unique(view.corpus.interactions.items[view.targets(split_name)])


def _item(task: str) -> Build:
    def build(view: CorpusView, item: int, rng: np.random.Generator, limits: Limits) -> Record:
        builder = RecordBuilder(view, limits)
        builder.item(item)
        return Record(task, builder.values, item=item, mentions=frozenset([item]))

    return build


TEXT_TO_ID = Task(
    name="item-text-to-id",
    predictions=RankedItems,
    capability="recommend",
    metrics=("HR@10", "NDCG@10"),
    source_fields=("title", "attributes"),
    target_fields=("item",),
    rows=_item_rows,
    build=_item("item-text-to-id"),
    of="items",
)

ID_TO_TEXT = Task(
    name="item-id-to-text",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    source_fields=("item",),
    target_fields=("title", "attributes"),
    rows=_item_rows,
    build=_item("item-id-to-text"),
    of="items",
)
