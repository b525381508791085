"""Rows of dense training that alignment learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .dense import DenseRows
from .pairs import Pairs
from .places import choose, only, seeds
from .rows import Row


class DrawRows:
    """Histories in which items are drawn and rewarded.

    Args:
        rows: the histories.
        positions: items a row in whose place others are drawn; None: all.
        seed: of the choice and of the draws.
    """

    def __init__(self, rows: DenseRows, positions: int | None, seed: int) -> None:
        self.rows, self.positions, self.seed = rows, positions, seed
        self.lengths = rows.lengths

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Row:
        row = self.rows[i]
        chosen = choose(self.rows, i, self.positions, self.seed)
        draws = np.zeros(len(row.labels), dtype=np.int64)
        draws[chosen] = seeds(chosen, i, self.seed)
        return replace(only(row, chosen, self.rows.layout.codes.levels), draws=draws)


class PreferenceRows:
    """Histories in which each item stands against others, over and over.

    Args:
        rows: the histories of one epoch.
        pairs: made of those very rows.
        n_rows: how many rows there must be.
    """

    def __init__(self, rows: DenseRows, pairs: Pairs, n_rows: int) -> None:
        self.rows, self.pairs, self.n_rows = rows, pairs, n_rows
        self.lengths = np.resize(rows.lengths, n_rows)

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, i: int) -> Row:
        i %= len(self.rows)
        row, (chosen, items, scores) = self.rows[i], self.pairs[i]
        candidates = np.full((len(row.labels), items.shape[1]), -1, dtype=np.int64)
        reference = np.zeros(candidates.shape, dtype=np.float32)
        there = items[:, 1] >= 0  # without a rejected item there is no pair
        candidates[chosen[there]], reference[chosen[there]] = items[there], scores[there]
        kept = only(row, chosen, self.rows.layout.codes.levels)
        return replace(kept, candidates=candidates, reference=reference)
