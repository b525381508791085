"""Histories as rectangles of like length, so that little is computed for padding.

E training events, U users, B requests, R windows, T events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.features import behaviour_codes
from p5rec.core.rng import derive_rng, keyed
from p5rec.core.types import Histories, Interactions, Split, runs
from p5rec.data.targets import Targets, steps_back
from p5rec.data.windows import Cutter

ROWS = 32  # requests that a network reads at a time


class Rectangle(NamedTuple):
    """Windows of one batch.

    Attributes:
        items, done: ``(R, T)`` int64, the item of each event and its behaviour
            (:attr:`p5rec.core.features.Behaviours.vocabulary`).
        row, column: ``(M,)`` which of the events are asked for, in order.
        after: ``(M,)`` the columns of those after which they are.
    """

    items: Tensor
    done: Tensor
    row: Tensor
    column: Tensor
    after: Tensor


class TrainingWindows:
    """The training histories in windows, cut, ordered and grouped anew in each pass.

    Events of one moment have no order, so each pass draws one.

    Args:
        interactions, split: the training part alone is used.
        window: the most events that are read; a window has one more, which is asked for.
        batch: the most positions of a batch; where the log is small, at most a tenth of it.
        seed: of every draw.
        targets: see :class:`p5rec.data.windows.Cutter`.

    Attributes:
        steps: batches a pass, about.
        behaviours: the names of those that are told apart; empty where all events are of one kind.
    """

    def __init__(
        self,
        interactions: Interactions,
        split: Split,
        window: int,
        batch: int,
        seed: int,
        targets: Targets | None = None,
    ) -> None:
        self.cutter, self.seed = Cutter(interactions, split, window + 1, seed, targets), seed
        self.back = steps_back(self.cutter.groups, self.cutter.targets)
        train = self.cutter.events
        self.moments, self.keys = interactions.moments[train], interactions.event_keys[train]
        self.items = interactions.items[train].astype(np.int64)
        done = interactions.behaviours
        self.behaviours = () if done is None else done.vocabulary
        own = None if done is None else done.take(train)
        self.targets = None if own is None else own.is_target
        self.done = behaviour_codes(own, self.behaviours, len(train))
        self.batch = int(np.clip(len(self.items) // 10, 1, batch))
        self.steps = len(self.items) / self.batch

    def batches(self, n: int) -> Iterator[Rectangle]:
        """Pass n."""
        ties = keyed(self.keys, self.seed, "ties", n)
        drawn = np.lexsort((ties, self.moments, self.cutter.users))
        items, done = self.items[drawn], self.done[drawn]
        targets = None if self.targets is None else self.targets[drawn]
        cuts, _ = self.cutter.epoch(n)
        lengths = cuts[:, 1] - cuts[:, 0]
        order = np.argsort(lengths, kind="stable")  # of equal length: shuffled, as they were cut
        cuts, lengths = cuts[order], lengths[order]
        asked = np.cumsum(lengths - 1)
        ends = np.arange(self.batch, asked[-1] if len(asked) else 0, self.batch)
        groups = np.split(np.arange(len(cuts)), np.unique(np.searchsorted(asked, ends)))
        for g in derive_rng(self.seed, "batches", n).permutation(len(groups)):
            rows = groups[g]
            if not len(rows):
                continue
            at = cuts[rows, :1] + np.arange(lengths[rows[-1]])
            real = at < cuts[rows, 1:]
            at = np.where(real, at, cuts[rows, :1])
            after = np.arange(at.shape[1]) - self.back[at]
            wanted = real & (after >= 0)
            if targets is not None:
                wanted &= targets[at]
            row, column = np.nonzero(wanted)
            if len(row):
                told = items[at], done[at], row, column, after[wanted]
                yield Rectangle(*map(torch.from_numpy, told))


def rectangles(
    histories: Histories, window: int, *columns: np.ndarray
) -> Iterator[tuple[np.ndarray, list[np.ndarray], np.ndarray]]:
    """Requests with a history, in batches whose shape hangs on each one's own length alone.

    So what a network makes of a request is the same bits whatever stands beside it.

    Args:
        histories: B requests of at most ``window`` events.
        window: the longest.
        columns: ``(S,)`` what is read of each event.

    Yields:
        The requests ``(b,)``; each column ``(ROWS, T)`` int64, and the place of the last event
        ``(ROWS,)``, the first b of them those of the requests; T is a power of 2 or the window.
    """
    length = histories.lengths
    whole = 2 ** np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    whole = np.where(length > 0, np.minimum(whole, window), 0)
    for width in np.unique(whole[whole > 0]):
        alike = np.flatnonzero(whole == width)
        for at in range(0, len(alike), ROWS):
            rows = alike[at : at + ROWS]
            last = np.zeros(ROWS, dtype=np.int64)
            last[: len(rows)] = length[rows] - 1
            source, _ = runs(histories.offsets[:-1][rows], length[rows])
            tables = [np.zeros((ROWS, width), dtype=np.int64) for _ in columns]
            for table, column in zip(tables, columns, strict=True):
                table[: len(rows)][np.arange(width) <= last[: len(rows), None]] = column[source]
            yield rows, tables, last
