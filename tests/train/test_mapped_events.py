"""Events stay memory-mapped, shared by processes; training allocates only their indices."""

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


def allocated() -> int:
    """Allocated bytes of Python, NumPy and Arrow, without mapped files."""
    return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()


def write(folder: Path) -> None:
    rng, events = np.random.default_rng(0), USERS * EACH
    users = np.repeat(np.arange(USERS, dtype=np.int32), EACH)
    items = rng.integers(0, ITEMS, events).astype(np.int32)
    times, ratings = np.arange(events), rng.random(events, dtype=np.float32)
    splits = np.full(events, TRAIN, dtype=np.int8)
    splits[EACH - 1 :: EACH] = TEST
    names = [f"i{n}" for n in range(ITEMS)]
    corpus = Corpus(
        Interactions(users, items, times, ratings, id_keys(range(USERS)), id_keys(names)),
        Catalog(pa.table({"item": names, "title": names})),
        Users.of([f"u{n}" for n in range(USERS)]),
        Split("by hand", splits),
    )
    prepare._write(corpus, {"split": {"name": "by hand", "seed": 0}}, folder)


def test_events_are_not_copied(tmp_path: Path) -> None:
    write(tmp_path)
    tracemalloc.start()
    try:
        start = allocated()
        corpus = prepare.load_corpus(tmp_path)
        loaded = allocated()
        windows = Windows(corpus.interactions, corpus.split, NextItemConfig().window, 1000, 0)
        training = allocated() - loaded
    finally:
        tracemalloc.stop()
    events = USERS * EACH  # 21 bytes each on the disk
    assert loaded - start < 4 * events, f"{(loaded - start) / events:.1f} bytes an event"
    assert training < 9 * events, f"{training / events:.1f} bytes an event"
    assert len(windows.draw(999)[0]) >= 2
