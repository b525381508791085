"""Training histories cut into windows, differently in each epoch. U users, R windows."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.rng import combined, derive_rng, keyed
from p5rec.core.types import Interactions, Split, group_numbers

from .targets import Targets, steps_back, targets_of


def cut(offsets: np.ndarray, window: int, random: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows of at least two events, shuffled: ``(R, 2)`` begin and end, and ``(R,)`` their keys.

    A long history is cut every ``window`` events from a random phase, so over the epochs each event
    has contexts of all lengths. A history of at most ``window`` events is not cut. A user's windows
    and the relative order of two windows do not depend on other users.

    Args:
        offsets: ``(U + 1,)`` the offsets of the histories.
        window: the maximum number of events in a window.
        random: ``(U,)`` uint64, one draw per user for this epoch.
    """
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    phase = np.where(length > window, (random % np.uint64(window)).astype(np.int64), 0)
    first = np.where(phase > 0, phase, window)  # length of a history's first window
    counts = 1 + np.maximum(0, -(-(length - first) // window))
    owner = np.repeat(np.arange(len(length)), counts)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    stop = np.minimum(begin[owner] + first[owner] + nth * window, end[owner])
    start = np.where(nth == 0, begin[owner], begin[owner] + first[owner] + (nth - 1) * window)
    usable = stop - start >= 2
    keys = combined(random[owner[usable]], nth[usable].astype(np.uint64))
    order = np.argsort(keys, kind="stable")
    return np.stack([start, stop], axis=1)[usable][order], keys[order]


class Cutter:
    """Cuts training histories into windows, differently in each epoch.

    An event of a target behaviour is a target of the window if the window contains the event that
    predicts it (:mod:`.targets`). Windows without a target are dropped.

    Args:
        interactions, split: the log and its split; only training events are used.
        window: the maximum number of events in a window.
        seed: the seed of every draw.
        targets: the prediction target; None follows the split.

    Attributes:
        events: ``(E,)`` indices of the training events, by user.
        users: ``(E,)`` their users.
        targets: the prediction target.
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
        self.groups = group_numbers(self.users, interactions.moments[self.events])
        behaviours = interactions.behaviours
        target = np.ones(len(self.events), bool)
        if behaviours is not None:
            target = behaviours.take(self.events).is_target
        self._targets_before = np.append(0, np.cumsum(target))  # (E + 1,)
        # (E,) the first event that can be a target in a window that begins with each event
        self._first_target = np.arange(1, len(self.events) + 1)
        if self.targets == "next-basket":
            self._first_target = np.searchsorted(self.groups, self.groups, side="right")

    def epoch(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows of epoch n: begin and end among ``events``, and their keys (:func:`cut`)."""
        random = keyed(self.user_keys, self.seed, "windows", n)
        cuts, keys = cut(self.offsets, self.window, random)
        begin, end = cuts.T
        first = np.minimum(self._first_target[begin], end)
        has_target = self._targets_before[end] > self._targets_before[first]
        return cuts[has_target], keys[has_target]


class Windows:
    """The windows of a training: one training example each.

    Args:
        interactions, split: the log and its split; only training events are used.
        window: the maximum number of events in a window; longer histories give several windows.
        n_windows: the number of windows, over as many epochs as needed; None means one epoch.
        seed: the seed of every draw.
        targets: the prediction target; None follows the split.
        shuffle_ties: whether each window shuffles the events of one moment.

    Attributes:
        keys: ``(R,)`` uint64, the key of each window's random draws; it depends on the user, the
            epoch and the window's position in the history.
        epoch_windows: the number of windows in the first epoch.

    Raises:
        UserError: no user has two training events.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        window: int,
        n_windows: int | None,
        seed: int,
        targets: Targets | None = None,
        *,
        shuffle_ties: bool = True,
    ) -> None:
        cutter = Cutter(interactions, split, window, seed, targets)
        self.events, self.target_kind = cutter.events, cutter.targets
        self.moments = interactions.moments  # of all events; memory-mapped
        self.behaviours = interactions.behaviours
        self.window, self.seed, self.shuffle_ties = window, seed, shuffle_ties
        first, keys = cutter.epoch(0)
        if not len(first):
            raise UserError(
                "next-item training: expected a user with at least 2 training events (2 baskets "
                "for targets: next-basket), the later one of a target behaviour, got none; "
                "use a log with longer histories or another split"
            )
        epochs, epoch_keys, count = [first], [keys], len(first)
        while n_windows is not None and count < n_windows:  # the size of an epoch varies a little
            cuts, keys = cutter.epoch(len(epochs))
            epochs.append(cuts)
            epoch_keys.append(keys)
            count += len(cuts)
        self.cuts = np.concatenate(epochs)[:n_windows]
        self.keys = np.concatenate(epoch_keys)[:n_windows]
        self.epoch_windows = len(first)

    def __len__(self) -> int:
        return len(self.cuts)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` the number of events in each window."""
        lengths: np.ndarray = np.diff(self.cuts, axis=1)[:, 0]
        return lengths

    def draw(self, i: int) -> tuple[np.ndarray, np.random.Generator]:
        """The event indices of window ``i``, oldest first, and the stream of its further draws."""
        begin, end = self.cuts[i]
        rng = derive_rng(self.seed, "row", int(self.keys[i]))
        events = self.events[begin:end]
        if self.shuffle_ties:
            events = events[np.lexsort((rng.random(len(events)), self.moments[events]))]
        return events, rng

    def steps_back(self, events: np.ndarray) -> np.ndarray:
        """``(n,)``: the distance from each event of :meth:`draw` back to the event that predicts it
        (:func:`.targets.steps_back`)."""
        return steps_back(self.moments[events], self.target_kind)

    def behaviours_of(self, events: np.ndarray) -> Behaviours | None:
        """The behaviours of ``events``; None if all are of one kind."""
        return None if self.behaviours is None else self.behaviours.take(events)

    def is_target(self, events: np.ndarray) -> np.ndarray:
        """``(n,)`` bool: which of ``events (n,)`` are targets."""
        if self.behaviours is None:
            return np.ones(len(events), dtype=bool)
        return self.behaviours.take(events).is_target
