"""Windows over the training histories, cut anew in each epoch."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng
from p5rec.core.types import Interactions, Split
from p5rec.data.windows import cut

from .config import DenseConfig


class Windows:
    """Pieces of users' training histories, each a row.

    Args:
        interactions, split: the training part alone is used.
        config: window and ties.
        n_rows: how many rows there must be, over as many epochs as that takes; None: one epoch.
        seed: of every draw.

    Attributes:
        epoch_rows: how many rows the first epoch has.

    Raises:
        UserError: no user has two training events.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        config: DenseConfig,
        n_rows: int | None,
        seed: int,
    ) -> None:
        self.events = np.flatnonzero(split.mask("train"))
        self.times = interactions.times  # of all events, where they lie: on the disk
        users = interactions.users[self.events]
        self.user_offsets = np.searchsorted(users, np.arange(interactions.n_users + 1))
        self.config, self.seed = config, seed
        first = self._epoch(0)
        if not len(first):
            raise UserError(
                "dense training: expected users with 2 training events or more, got none; "
                "use a log with longer histories or another split"
            )
        epochs, count = [first], len(first)
        while n_rows is not None and count < n_rows:  # epochs differ a little in length
            epochs.append(self._epoch(len(epochs)))
            count += len(epochs[-1])
        self.cuts = np.concatenate(epochs)[:n_rows]
        self.epoch_rows = len(first)

    def _epoch(self, epoch: int) -> np.ndarray:
        """``(R, 2)`` begin and end of each row of one epoch, shuffled."""
        rng = derive_rng(self.seed, "windows", epoch)
        return cut(self.user_offsets, self.config.window, rng)

    def __len__(self) -> int:
        return len(self.cuts)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` events a row."""
        lengths: np.ndarray = np.diff(self.cuts, axis=1)[:, 0]
        return lengths

    def row(self, i: int) -> tuple[np.ndarray, np.random.Generator]:
        """The event rows of row ``i``, oldest first, and the stream for its further draws."""
        begin, end = self.cuts[i]
        rng = derive_rng(self.seed, "row", i)
        events = self.events[begin:end]
        if self.config.shuffle_ties:
            events = events[np.lexsort((rng.random(len(events)), self.times[events]))]
        return events, rng
