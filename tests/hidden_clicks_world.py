"""A synthetic log in which some clicks are recorded as a placeholder instead of their item."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig

ITEMS, PLACEHOLDERS, EVENTS = 300, 5, 9
FOLLOW, HIDDEN = 0.9, 0.25


def hidden_clicks_world(folder: Path, *, planted: bool, users: int, seed: int = 0) -> Corpus:
    """The log; each item has one successor, which follows it with probability ``FOLLOW``.

    A click is hidden with probability ``HIDDEN``, never two in a row. The last click before the
    test item is hidden, so that item is the successor of a successor of the last known one.

    Args:
        folder: receives the file.
        planted: whether users go on from a hidden click; null: they go on from a random item.
        users: their number.
        seed: of all draws.
    """
    cycle = derive_rng(seed, "successors").permutation(ITEMS)
    after = np.empty(ITEMS, dtype=np.int64)
    after[cycle] = np.roll(cycle, -1)
    rng = derive_rng(seed, "histories")
    hidden = rng.random((users, EVENTS)) < HIDDEN
    hidden[:, 0] = hidden[:, -3] = hidden[:, -1] = False
    hidden[:, 1:] &= ~hidden[:, :-1]
    hidden[:, -2] = True
    clicks = np.empty((users, EVENTS), dtype=np.int64)
    clicks[:, 0] = rng.integers(ITEMS, size=users)
    for n in range(1, EVENTS):
        follows = rng.random(users) < FOLLOW
        if not planted:
            follows &= ~hidden[:, n - 1]
        random = rng.integers(ITEMS, size=users)
        clicks[:, n] = np.where(follows, after[clicks[:, n - 1]], random)
    shown = np.where(hidden, ITEMS + rng.integers(PLACEHOLDERS, size=clicks.shape), clicks)
    lines = [f"u{n} " + " ".join(f"i{item}" for item in row) for n, row in enumerate(shown)]
    path = folder / "log.txt"
    path.write_text("\n".join(lines) + "\n")
    return build(DataConfig(source="sequences", path=str(path), dedupe="none"))[0]
