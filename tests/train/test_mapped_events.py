"""Events stay on the disk, where several processes share them; training holds their rows alone."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, Catalog, Corpus, Interactions, Split
from p5rec.data import prepare
from p5rec.data.windows import Windows
from p5rec.train.config import NextItemConfig

USERS, EACH, ITEMS = 4000, 50, 1000


def held() -> int:
    """Bytes of Python, NumPy and Arrow that no file backs."""
    return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()


def write(folder: Path) -> None:
    rng, events = np.random.default_rng(0), USERS * EACH
    users = np.repeat(np.arange(USERS, dtype=np.int32), EACH)
    items = rng.integers(0, ITEMS, events).astype(np.int32)
    times, ratings = np.arange(events), rng.random(events, dtype=np.float32)
    parts = np.full(events, TRAIN, dtype=np.int8)
    parts[EACH - 1 :: EACH] = TEST
    names = [f"i{row}" for row in range(ITEMS)]
    corpus = Corpus(
        Interactions(users, items, times, ratings, id_keys(range(USERS)), id_keys(names)),
        Catalog(pa.table({"item": names, "title": names})),
        Users.of([f"u{row}" for row in range(USERS)]),
        Split("by hand", parts),
    )
    prepare._write(corpus, {"split": {"name": "by hand", "seed": 0}}, folder)


def test_events_are_not_copied(tmp_path: Path) -> None:
    write(tmp_path)
    tracemalloc.start()
    try:
        start = held()
        corpus = prepare.load_corpus(tmp_path)
        loaded = held()
        windows = Windows(corpus.interactions, corpus.split, NextItemConfig().window, 1000, 0)
        training = held() - loaded
    finally:
        tracemalloc.stop()
    events = USERS * EACH  # 21 bytes each on the disk
    assert loaded - start < 4 * events, f"{(loaded - start) / events:.1f} bytes an event"
    assert training < 9 * events, f"{training / events:.1f} bytes an event"
    assert len(windows.row(999)[0]) >= 2
