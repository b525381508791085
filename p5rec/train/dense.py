"""Dense training: a history is one sequence, and every event in it teaches."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from p5rec.core.types import Interactions, Split
from p5rec.models.layout import CodeLayout
from p5rec.models.ratings import RatedHistories

from .config import DenseConfig
from .rows import IGNORE, Row
from .windows import Windows

DENSE, DENSE_RATING = "dense", "dense-rating"  # the tasks that are no prompt families


class DenseRows:
    """Items in order: each is to be named after those before it.

    Args:
        interactions, split: the training part alone is used.
        layout: the codes of the items.
        bos: the token that opens every sequence.
        config: window, dropout, ties.
        n_rows: how many rows there must be, over as many epochs as that takes.
        seed: of every draw.

    Raises:
        UserError: no user has two training events.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        layout: CodeLayout,
        bos: int,
        config: DenseConfig,
        n_rows: int,
        seed: int,
    ) -> None:
        self.windows = Windows(interactions, split, config, n_rows, seed)
        self.items, self.layout, self.bos = interactions.items, layout, bos
        self.item_dropout = config.item_dropout

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row."""
        return self.windows.lengths * self.layout.codes.levels + 1

    def __getitem__(self, i: int) -> Row:
        events, rng = self.windows.row(i)
        items = self.items[events]
        tokens = np.concatenate([[self.bos], self.layout.items[items].reshape(-1)])
        labels = tokens.copy()
        labels[0] = IGNORE
        hidden = rng.random(len(items)) < self.item_dropout
        blank = np.concatenate([[False], hidden.repeat(self.layout.codes.levels)])
        return Row(tokens, labels, blank=blank)


class DenseRatingRows:
    """Items and their ratings in turn: each rating is to be told, in words and by the heads.

    Args:
        interactions, split: the training part alone is used; it has ratings.
        histories: how they are written.
        config: window and ties.
        n_rows, seed: as of :class:`DenseRows`.

    Raises:
        UserError: no user has two training events.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        histories: RatedHistories,
        config: DenseConfig,
        n_rows: int,
        seed: int,
    ) -> None:
        if interactions.ratings is None:
            raise ValueError("dense rating rows of a log without ratings")
        self.windows = Windows(interactions, split, config, n_rows, seed)
        self.items, self.ratings = interactions.items, interactions.ratings
        self.histories = histories

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row, each rating taken for one word."""
        return self.windows.lengths * (self.histories.layout.codes.levels + 1) + 1

    def __getitem__(self, i: int) -> Row:
        events, _ = self.windows.row(i)
        tokens, ends = self.histories.write(self.items[events], self.ratings[events])
        ratings = np.full(len(tokens), np.nan, dtype=np.float32)
        ratings[ends] = self.ratings[events]
        labels = np.where(tokens < self.histories.layout.first, tokens, IGNORE)
        labels[0] = IGNORE
        return Row(tokens, labels, ratings=ratings)
