"""What alignment makes of dense training: its rows, and their loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_seed
from p5rec.core.types import Corpus
from p5rec.models.checkpoint import Bundle
from p5rec.models.config import DENSE
from p5rec.models.multitask import MultitaskModel

from .config import AlignConfig, GroupConfig, PreferenceConfig, TrainConfig
from .dense import DenseRows
from .objective import Objective, supervised
from .pairs import Pairs, load_pairs
from .places import choose, only, seeds
from .preference import SoftmaxDpo
from .rl import Grpo
from .rows import Row, Rows
from .windows import Windows


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
        draws[chosen] = seeds(self.rows, i, chosen, self.seed)
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


def history_rows(
    config: TrainConfig, corpus: Corpus, bundle: Bundle, n_rows: int | None
) -> DenseRows:
    """Histories for the task ``dense``; as many as asked, or those of one epoch."""
    events, seed = corpus.interactions, derive_seed(config.seed, DENSE)
    windows = Windows(events, corpus.split, config.dense, n_rows, seed)
    return DenseRows(windows, events.items, bundle.layout, bundle.bos)


def objective(align: AlignConfig | None, model: MultitaskModel) -> Objective:
    """The loss that ``align`` asks for; None: the model's own."""
    match align:
        case PreferenceConfig():
            return SoftmaxDpo(align)
        case GroupConfig():
            return Grpo(align, model)
    return supervised


def dense_rows(
    n_rows: int, config: TrainConfig, corpus: Corpus, bundle: Bundle, pairs: Path | None
) -> Rows:
    """Rows of the task ``dense``.

    Args:
        n_rows: how many.
        pairs: a folder of :func:`p5rec.train.pairs.mine`, where the objective compares.
    """
    match config.align:
        case PreferenceConfig():
            assert pairs is not None, "made before"
            rows = history_rows(config, corpus, bundle, None)
            return PreferenceRows(rows, load_pairs(pairs), n_rows)
        case GroupConfig(positions=positions):
            rows = history_rows(config, corpus, bundle, n_rows)
            return DrawRows(rows, positions, derive_seed(config.seed, "draw"))
    return history_rows(config, corpus, bundle, n_rows)
