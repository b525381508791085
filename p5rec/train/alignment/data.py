"""What alignment reads: histories in which some items stand against others, drawn or mined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed

from ..examples.histories import NextItemExamples
from ..examples.example import IGNORE, TrainingExample

NAMES = ("offsets", "places", "items", "scores")  # of the files of pairs


def choose(rows: NextItemExamples, i: int, positions: int | None, seed: int) -> np.ndarray:
    """``(P,)`` ascending: the tokens of row ``i`` at which the items begin that teach: of a basket
    that is asked for as a whole, the first.

    Args:
        positions: how many at most, drawn; None: all.
    """
    events = int(rows.windows.lengths[i])
    order = derive_rng(seed, "positions", int(rows.windows.keys[i])).permutation(events)
    own, _ = rows.windows.row(i)
    teach = rows.windows.targets(own) & (rows.windows.back(own) == 1)
    order = order[teach[order]]
    return 1 + np.sort(order[:positions]) * rows.layout.stride


def seeds(rows: NextItemExamples, i: int, tokens: np.ndarray, seed: int) -> np.ndarray:
    """``(P,)`` positive, one for each of the ``tokens (P,)`` of row ``i``, far apart."""
    key = int(rows.windows.keys[i])
    return np.array([derive_seed(seed, "draws", key, int(token)) >> 1 for token in tokens])


def only(row: TrainingExample, tokens: np.ndarray, levels: int) -> TrainingExample:
    """``row``, asked for the items that begin at ``tokens`` alone."""
    labels = np.full_like(row.labels, IGNORE)
    asked = (tokens[:, None] + np.arange(levels)).ravel()
    labels[asked] = row.labels[asked]
    return replace(row, labels=labels)


class SampledExamples:
    """Histories in which items are drawn and rewarded.

    Args:
        rows: the histories.
        positions: items a row in whose place others are drawn; None: all.
        seed: of the choice and of the draws.
    """

    def __init__(self, rows: NextItemExamples, positions: int | None, seed: int) -> None:
        self.rows, self.positions, self.seed = rows, positions, seed
        self.lengths = rows.lengths

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> TrainingExample:
        row = self.rows[i]
        chosen = choose(self.rows, i, self.positions, self.seed)
        draws = np.zeros(len(row.labels), dtype=np.int64)
        draws[chosen] = seeds(self.rows, i, chosen, self.seed)
        return replace(only(row, chosen, self.rows.layout.codes.levels), draws=draws)


@dataclass(frozen=True, eq=False)
class Pairs:
    """What stands against what, read from disk as it is needed.

    Attributes:
        offsets: ``(R + 1,)``: row r has the entries ``offsets[r]:offsets[r + 1]``.
        places: ``(P,)`` int64, the token at which an item begins.
        items: ``(P, 1 + J)`` int32: it, then those rejected; -1 where none or fewer remained.
        scores: ``(P, 1 + J)`` float32, their log-probabilities under the model that listed them.
    """

    offsets: np.ndarray
    places: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tokens ``(p,)`` of a row, items and scores ``(p, 1 + J)`` there."""
        own = slice(self.offsets[row], self.offsets[row + 1])
        return self.places[own], self.items[own], self.scores[own]


def load_pairs(folder: Path) -> Pairs:
    """The pairs that :func:`.hard_negatives.mine_negatives` left in ``folder``, as views of its files."""
    return Pairs(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES))


class PreferenceExamples:
    """Histories in which each item stands against others, over and over.

    Args:
        rows: the histories of one epoch.
        pairs: made of those very rows.
        n_rows: how many rows there must be.
    """

    def __init__(self, rows: NextItemExamples, pairs: Pairs, n_rows: int) -> None:
        self.rows, self.pairs, self.n_rows = rows, pairs, n_rows
        self.lengths = np.resize(rows.lengths, n_rows)

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, i: int) -> TrainingExample:
        i %= len(self.rows)
        row, (chosen, items, scores) = self.rows[i], self.pairs[i]
        candidates = np.full((len(row.labels), items.shape[1]), -1, dtype=np.int64)
        reference = np.zeros(candidates.shape, dtype=np.float32)
        there = items[:, 1] >= 0  # without a rejected item there is no pair
        candidates[chosen[there]], reference[chosen[there]] = items[there], scores[there]
        kept = only(row, chosen, self.rows.layout.codes.levels)
        return replace(kept, candidates=candidates, reference=reference)
