"""Training histories cut into windows, anew in each epoch. U users, R windows."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng
from p5rec.core.types import Interactions, Split


def cut(offsets: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """``(R, 2)`` begin and end of each window of at least two events, shuffled.

    A history of n events is cut every ``window`` events from a drawn phase, so that over the
    epochs each event is seen with contexts of all lengths; one that fits is not cut.

    Args:
        offsets: ``(U + 1,)`` where each history begins.
        window: the most events of a window.
        rng: of this epoch.
    """
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    phase = np.where(length > window, rng.integers(0, window, len(length)), 0)
    first = np.where(phase > 0, phase, window)  # length of a history's first piece
    pieces = 1 + np.maximum(0, -(-(length - first) // window))
    owner = np.repeat(np.arange(len(length)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
    start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
    cuts = np.stack([start, stop], axis=1)
    return rng.permutation(cuts[stop - start >= 2])


class Windows:
    """Pieces of users' training histories, each a row.

    Args:
        interactions, split: the training part alone is used.
        window: the most events of a row; longer histories give several rows.
        n_rows: how many rows there must be, over as many epochs as that takes; None: one epoch.
        seed: of every draw.
        shuffle_ties: draw the order of events that share a time anew for each row.

    Attributes:
        epoch_rows: how many rows the first epoch has.

    Raises:
        UserError: no user has two training events.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        window: int,
        n_rows: int | None,
        seed: int,
        *,
        shuffle_ties: bool = True,
    ) -> None:
        self.events = np.flatnonzero(split.mask("train"))
        self.times = interactions.times  # of all events, where they lie: on the disk
        users = interactions.users[self.events]
        self.user_offsets = np.searchsorted(users, np.arange(interactions.n_users + 1))
        self.window, self.seed, self.shuffle_ties = window, seed, shuffle_ties
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
        return cut(self.user_offsets, self.window, rng)

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
        if self.shuffle_ties:
            events = events[np.lexsort((rng.random(len(events)), self.times[events]))]
        return events, rng
