"""Training histories cut into windows, anew in each epoch. U users, R windows."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.rng import combined, derive_rng, keyed
from p5rec.core.types import Interactions, Split, numbered

from .targets import Targets, steps_back, targets_of


def cut(offsets: np.ndarray, window: int, luck: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows of at least two events, shuffled: ``(R, 2)`` begin and end, and ``(R,)`` their keys.

    A history of n events is cut every ``window`` events from a drawn phase, so that over the
    epochs each event is seen with contexts of all lengths; one that fits is not cut. A user's
    windows, and which of any two windows comes first, depend on nobody else.

    Args:
        offsets: ``(U + 1,)`` where each history begins.
        window: the most events of a window.
        luck: ``(U,)`` uint64, drawn for each user in this epoch.
    """
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    phase = np.where(length > window, (luck % np.uint64(window)).astype(np.int64), 0)
    first = np.where(phase > 0, phase, window)  # length of a history's first piece
    pieces = 1 + np.maximum(0, -(-(length - first) // window))
    owner = np.repeat(np.arange(len(length)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
    start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
    kept = stop - start >= 2
    keys = combined(luck[owner[kept]], nth[kept].astype(np.uint64))
    order = np.argsort(keys, kind="stable")
    return np.stack([start, stop], axis=1)[kept][order], keys[order]


class Cutter:
    """Training histories, cut anew in each epoch; pieces that ask for nothing are left out.

    Every event of a piece is asked for that is one of a target behaviour, if the piece holds the
    event after which it is asked for (:mod:`.targets`).

    Args:
        interactions, split: the training part alone is used.
        window: the most events of a window.
        seed: of every draw.
        targets: what is asked for; None: as the split has it.

    Attributes:
        events: ``(E,)`` rows of the training events, by user.
        users: ``(E,)`` theirs.
        targets: what is asked for.
        groups: ``(E,)`` ascending, equal for events of one user and moment.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        window: int,
        seed: int,
        targets: Targets | None = None,
    ) -> None:
        self.events = np.flatnonzero(split.mask("train"))
        self.users = interactions.users[self.events]
        self.user_keys = interactions.user_keys
        self.offsets = np.searchsorted(self.users, np.arange(interactions.n_users + 1))
        self.window, self.seed = window, seed
        self.targets = targets_of(split, targets)
        self.groups = numbered(self.users, interactions.moments[self.events])
        done = interactions.behaviours
        target = np.ones(len(self.events), bool)
        if done is not None:
            target = done.take(self.events).is_target
        self._before = np.append(0, np.cumsum(target))  # (E + 1,) how many lie before each event
        # (E,) the first event that can be asked for in a piece that begins here
        self._asked = np.arange(1, len(self.events) + 1)
        if self.targets == "next-basket":
            self._asked = np.searchsorted(self.groups, self.groups, side="right")

    def epoch(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows of epoch n: begin and end among ``events``, and their keys (:func:`cut`)."""
        luck = keyed(self.user_keys, self.seed, "windows", n)
        cuts, keys = cut(self.offsets, self.window, luck)
        begin, end = cuts.T
        asks = self._before[end] > self._before[np.minimum(self._asked[begin], end)]
        return cuts[asks], keys[asks]


class Windows:
    """Pieces of users' training histories, each a row.

    Args:
        interactions, split: the training part alone is used.
        window: the most events of a row; longer histories give several rows.
        n_rows: how many rows there must be, over as many epochs as that takes; None: one epoch.
        seed: of every draw.
        targets: what is asked for; None: as the split has it.
        shuffle_ties: draw the order of events of one moment anew for each row.

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
        window: int,
        n_rows: int | None,
        seed: int,
        targets: Targets | None = None,
        *,
        shuffle_ties: bool = True,
    ) -> None:
        cutter = Cutter(interactions, split, window, seed, targets)
        self.events, self.asks = cutter.events, cutter.targets
        self.moments = interactions.moments  # of all events, where they lie: on the disk
        self.behaviours = interactions.behaviours
        self.window, self.seed, self.shuffle_ties = window, seed, shuffle_ties
        first, keys = cutter.epoch(0)
        if not len(first):
            raise UserError(
                "dense training: expected users with 2 training events or more (2 baskets, where "
                "targets: next-basket; the later one of a target behaviour), got none; "
                "use a log with longer histories or another split"
            )
        epochs, named, count = [first], [keys], len(first)
        while n_rows is not None and count < n_rows:  # epochs differ a little in length
            cuts, keys = cutter.epoch(len(epochs))
            epochs.append(cuts)
            named.append(keys)
            count += len(cuts)
        self.cuts, self.keys = np.concatenate(epochs)[:n_rows], np.concatenate(named)[:n_rows]
        self.epoch_rows = len(first)

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
        if self.shuffle_ties:
            events = events[np.lexsort((rng.random(len(events)), self.moments[events]))]
        return events, rng

    def back(self, events: np.ndarray) -> np.ndarray:
        """``(n,)``: where each of the event rows of :meth:`row` is asked for
        (:func:`.targets.steps_back`)."""
        return steps_back(self.moments[events], self.asks)

    def done(self, events: np.ndarray) -> Behaviours | None:
        """What was done at the event rows ``events``; None: all are of one kind."""
        return None if self.behaviours is None else self.behaviours.take(events)

    def targets(self, events: np.ndarray) -> np.ndarray:
        """``(n,)`` bool: which of the event rows ``events (n,)`` are to be asked for."""
        if self.behaviours is None:
            return np.ones(len(events), dtype=bool)
        return self.behaviours.take(events).is_target
