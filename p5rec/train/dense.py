"""Dense sequential training: a history is one sequence and every item in it is a target."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng
from p5rec.core.types import Interactions, Split
from p5rec.models.layout import CodeLayout

from .config import DenseConfig
from .rows import IGNORE, Row


class DenseRows:
    """Windows over the training histories, cut anew in each epoch.

    A history of n events is cut every ``window`` events from a phase drawn per user and epoch, so
    that over the epochs each item is seen with contexts of all lengths.

    Args:
        interactions, split: the training part alone is used.
        layout: the codes of the items.
        bos: the token that opens every sequence.
        config: window, dropout, ties.
        n_rows: how many rows there must be, over as many epochs as that takes.
        seed: of every draw.
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
        train = split.mask("train")
        self.items = interactions.items[train]
        self.times = interactions.times[train]
        users = interactions.users[train]
        self.user_offsets = np.searchsorted(users, np.arange(interactions.n_users + 1))
        self.layout, self.bos, self.config, self.seed = layout, bos, config, seed
        first = self._windows(0)
        if not len(first):
            raise UserError(
                "dense training: expected users with 2 training events or more, got none; "
                "use a log with longer histories or another split"
            )
        epochs, count = [first], len(first)
        while count < n_rows:  # epochs differ a little in length
            epochs.append(self._windows(len(epochs)))
            count += len(epochs[-1])
        self.windows = np.concatenate(epochs)[:n_rows]

    def _windows(self, epoch: int) -> np.ndarray:
        """``(R, 2)`` begin and end of each row of one epoch, shuffled."""
        rng = derive_rng(self.seed, "windows", epoch)
        begin, end = self.user_offsets[:-1], self.user_offsets[1:]
        length, window = end - begin, self.config.window
        phase = np.where(length > window, rng.integers(0, window, len(length)), 0)
        first = np.where(phase > 0, phase, window)  # length of a history's first piece
        pieces = 1 + np.maximum(0, -(-(length - first) // window))
        owner = np.repeat(np.arange(len(length)), pieces)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
        start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
        cut = np.stack([start, stop], axis=1)
        return rng.permutation(cut[stop - start >= 2])

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row."""
        return np.diff(self.windows, axis=1)[:, 0] * self.layout.codes.levels + 1

    def __getitem__(self, i: int) -> Row:
        begin, end = self.windows[i]
        rng = derive_rng(self.seed, "row", i)
        items = self.items[begin:end]
        if self.config.shuffle_ties:
            items = items[np.lexsort((rng.random(len(items)), self.times[begin:end]))]
        tokens = np.concatenate([[self.bos], self.layout.items[items].reshape(-1)])
        labels = tokens.copy()
        labels[0] = IGNORE
        hidden = rng.random(len(items)) < self.config.item_dropout
        blank = np.concatenate([[False], hidden.repeat(self.layout.codes.levels)])
        return Row(tokens, labels, answer_at=0, blank=blank)
