"""A corpus of four users, ranked lists for them, and reports built by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, Catalog, Corpus, Interactions, RankedLists, Split
from p5rec.evaluate.schema import Measure, Method, Protocol, Report

N = 30


def four_users() -> Corpus:
    """User u has the training items 0 .. u + 4 and the test item 20 + u; 30 items."""
    own = [[*range(u + 5), 20 + u] for u in range(4)]
    users = np.repeat(np.arange(4, dtype=np.int32), [len(row) for row in own])
    items = np.array([i for row in own for i in row], dtype=np.int32)
    splits = np.where(items >= 20, TEST, TRAIN).astype(np.int8)
    log = Interactions(
        users, items, np.arange(len(users)), None, id_keys(range(4)), id_keys(range(N))
    )
    table = pa.table(
        {
            "item": [f"i{n}" for n in range(N)],
            "title": [f"Title {n}" for n in range(N)],
            "genres": [["Comedy"] if n % 2 else ["Drama", "War"] for n in range(N)],
        }
    )
    return Corpus(
        log, Catalog(table), Users.of(["a", "b", "c", "d"]), Split("leave-one-out", splits)
    )


def lists_with(*ranks: int) -> RankedLists:
    """Lists of ten with the target, 20 + u, at the rank (from 1; 0: not in the list)."""
    items = np.tile(np.arange(10, dtype=np.int32), (len(ranks), 1))
    for user, rank in enumerate(ranks):
        if rank:
            items[user, rank - 1] = 20 + user
    scores = np.tile(-np.arange(10, dtype=np.float32), (len(ranks), 1))
    return RankedLists(np.arange(len(ranks), dtype=np.int32), items, scores)


def entry(name: str, values: dict[str, float], task: str = "sequential", **more: Any) -> Method:
    """The report entry of a method with these metrics."""
    metrics = {k: Measure(value=v, low=v - 0.01, high=v + 0.01) for k, v in values.items()}
    defaults = {"split": "test", "invalid_rate": 0.0, "duplicate_rate": 0.0, "n": 4} | more
    return Method(
        name=name, task=task, metrics=metrics, train_seconds=1.0, infer_seconds=0.5, **defaults
    )


def report_of(*methods: Method, **more: Any) -> Report:
    """A report of these entries."""
    defaults = {
        "data": {"users": 4},
        "protocol": Protocol(
            splits={"sequential": "leave-one-out"}, candidates=N, exclude_seen=True, seeds=[0]
        ),
        "manifest": {"versions": {"p5rec": "0.1.0"}},
        "seconds": 3.0,
    }
    return Report(methods=list(methods), **(defaults | more))
