"""Lists of a user's next items: written freely, or chosen among candidates.

After PALR (Yang et al. 2023, arXiv:2305.07622): its instructions "Recommend" and
"Recommend_Retrieval".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .base import Task
from .fields import Record
from .predictions import Texts
from .record_builder import Limits, RecordBuilder
from .sequential import next_rows
from .view import CorpusView

SHOWN = ("history", "notes")
WRITTEN = ("next_lines", "profile")


def list_rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` target events, without events that texts about users show."""
    rows, shown = next_rows(view, split_name), view.corpus.split.profile
    return rows if shown is None else rows[~shown[rows]]


def _choosable(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` the rows of lists; in training, only those with candidates of the retriever."""
    rows = list_rows(view, split_name)
    if split_name != "train" or not view.retrieved:
        return rows
    return rows[np.isin(rows, list(view.retrieved))]


def following(view: CorpusView, event: int) -> np.ndarray:
    """The items of ``event`` and of the user's later target events of its split, in order.

    Each item occurs once, and none is one of the target events before.
    """
    log, split = view.corpus.interactions, view.corpus.split
    own = np.arange(event, log.offsets[log.users[event] + 1])
    own = own[(split.of_event[own] == split.of_event[event]) & log.is_target[own]]
    items, first = np.unique(log.items[own], return_index=True)
    later = log.items[own][np.sort(first)]
    return later[~np.isin(later, log.items[_taken(view, event)])] if len(items) else later


def _taken(view: CorpusView, event: int) -> np.ndarray:
    """The target events of the history before ``event``: lists are made of them alone."""
    past = view.past(event)
    return past[view.corpus.interactions.is_target[past]]


def _list(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    targets = following(view, event)[: limits.list_length]
    return _record(view, event, "next-list", targets, limits)


def _choose(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    targets = following(view, event)
    found = view.retrieved.get(event)
    if found is None:  # without a retriever, the candidates are sampled
        targets = targets[: min(limits.list_length, limits.candidates - 1)]
        others = view.sample_negatives(event, limits.candidates - len(targets), rng)
        found = np.array([*targets, *others])
    else:
        found = found[: limits.candidates]
        targets = targets[np.isin(targets, found)][: limits.list_length]
    shuffled = tuple(rng.permutation(found).tolist())
    record = _record(view, event, "candidate-list", targets, limits)
    names = tuple(view.names.ids[item] for item in shuffled)
    return replace(
        record,
        values={**record.values, "candidate_lines": names},
        mentions=record.mentions | {*shuffled},
        candidates=shuffled,
    )


def _record(view: CorpusView, event: int, task: str, targets: np.ndarray, limits: Limits) -> Record:
    builder = RecordBuilder(view, limits)
    builder.history(_taken(view, event))
    note = limits.cut(view.note(int(view.corpus.interactions.users[event])))
    builder.values |= {
        "notes": note,
        "profile": note,
        "next_lines": tuple(view.names.ids[item] for item in targets.tolist()),
    }
    builder.mentions |= {*targets.tolist()}
    return builder.record(task, event, int(view.corpus.interactions.items[event]))


NEXT_LIST = Task(
    name="next-list",
    predictions=Texts,
    capability="",
    metrics=("ROUGE-L",),
    source_fields=SHOWN,
    target_fields=WRITTEN,
    rows=list_rows,
    build=_list,
)

CANDIDATE_LIST = Task(
    name="candidate-list",
    predictions=Texts,
    capability="",
    metrics=("ROUGE-L",),
    source_fields=(*SHOWN, "candidate_lines"),
    target_fields=WRITTEN,
    rows=_choosable,
    build=_choose,
)
