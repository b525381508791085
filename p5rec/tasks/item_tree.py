"""The next item in the item tree: which child of a node is it below? (UniLLMRec, arXiv:2404.00702)

The node is drawn from the item's path.
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .fields import Record
from .predictions import Texts
from .record_builder import HISTORY, USER, Limits, RecordBuilder
from .sequential import next_rows
from .view import CorpusView

NAME = "item-tree"


def _rows(view: CorpusView, split_name: str) -> np.ndarray:
    # an answer is one step of a descent, and the descent is evaluated as a whole
    return next_rows(view, split_name)[: None if split_name == "train" else 0]


def _branch(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    tree, item = view.tree, int(view.corpus.interactions.items[event])
    builder = RecordBuilder(view, limits)
    builder.history(view.past(event))
    path = tree.path(item)
    node, edge = path[int(rng.integers(len(path)))]
    builder.values |= {
        "notes": limits.cut(view.note(int(view.corpus.interactions.users[event]))),
        "branches": tuple(tree.labels[tree.edges(node)]),
        "branch": tree.labels[edge],
    }
    builder.mentions.add(item)
    return builder.record(NAME, event, item)


ITEM_TREE = Task(
    name=NAME,
    predictions=Texts,
    capability="",
    metrics=(),
    source_fields=(*USER, *HISTORY, "notes", "branches"),
    target_fields=("branch",),
    rows=_rows,
    build=_branch,
)
