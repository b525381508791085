"""A synthetic log whose users come back to what a recommender showed them and they did not take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig

ITEMS, EVENTS = 60, 8


def feedback_world(
    folder: Path, *, planted: bool, users: int, seed: int = 0, follow: float = 0.4
) -> Corpus:
    """The log; each item has one successor, which a good recommender shows after it.

    An event takes the successor of the last item with probability ``follow``. Else it takes a
    successor that an earlier event has and the user did not take yet; null: any other item.

    Args:
        folder: receives the file.
        planted: whether users come back to earlier successors.
        users: their number.
        seed: of all draws.
        follow: the probability.
    """
    cycle = derive_rng(seed, "successors").permutation(ITEMS)
    after = np.empty(ITEMS, dtype=np.int64)
    after[cycle] = np.roll(cycle, -1)
    rng = derive_rng(seed, "histories")
    lines = []
    for user in range(users):
        own = [int(rng.integers(ITEMS))]
        while len(own) < EVENTS:
            new = np.setdiff1d(np.arange(ITEMS), own)
            last = after[own[-1]]
            missed = np.setdiff1d(after[own[:-1]], [*own, last]) if planted else new
            if rng.random() < follow and last in new:
                own.append(int(last))
            else:
                own.append(int(rng.choice(missed if len(missed) else new)))
        lines.append(f"u{user} " + " ".join(f"i{item}" for item in own))
    path = folder / "log.txt"
    path.write_text("\n".join(lines) + "\n")
    return build(DataConfig(source="sequences", path=str(path)))[0]
