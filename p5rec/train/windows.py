"""Windows over the training histories, cut anew in each epoch."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng, keyed
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
        keys: ``(R,)`` uint64, what is drawn for a row hangs on: its user, its epoch and its place
            in the user's history.
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
        self.user_keys = interactions.user_keys
        self.user_offsets = np.searchsorted(users, np.arange(interactions.n_users + 1))
        self.config, self.seed = config, seed
        first, keys = self._epoch(0)
        if not len(first):
            raise UserError(
                "dense training: expected users with 2 training events or more, got none; "
                "use a log with longer histories or another split"
            )
        epochs, named, count = [first], [keys], len(first)
        while n_rows is not None and count < n_rows:  # epochs differ a little in length
            cuts, keys = self._epoch(len(epochs))
            epochs.append(cuts)
            named.append(keys)
            count += len(cuts)
        self.cuts, self.keys = np.concatenate(epochs)[:n_rows], np.concatenate(named)[:n_rows]
        self.epoch_rows = len(first)

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one epoch, shuffled: ``(R, 2)`` begin and end, and ``(R,)`` their keys."""
        luck = keyed(self.user_keys, self.seed, "windows", epoch)
        return cut(self.user_offsets, self.config.window, luck)

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
        rng = derive_rng(self.seed, "row", int(self.keys[i]))
        events = self.events[begin:end]
        if self.config.shuffle_ties:
            events = events[np.lexsort((rng.random(len(events)), self.times[events]))]
        return events, rng
