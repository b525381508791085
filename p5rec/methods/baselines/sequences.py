"""Batches of histories with similar lengths, which need little padding.

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
from p5rec.core.types import Histories, Interactions, Split, ranges
from p5rec.data.targets import Targets, steps_back
from p5rec.data.windows import Cutter

BATCH = 32  # requests per forward pass


class WindowBatch(NamedTuple):
    """Windows of one batch.

    Attributes:
        items, done: ``(R, T)`` int64, the item of each event and its behaviour.
        row, column: ``(M,)`` the positions of the targets, in order.
        after: ``(M,)`` the column of the last event before each target.
        users: ``(R,)`` int64 user row numbers.
    """

    items: Tensor
    done: Tensor
    row: Tensor
    column: Tensor
    after: Tensor
    users: Tensor


class TrainingWindows:
    """The training histories in windows, which are cut, ordered and batched anew in each epoch.

    Simultaneous events have no order, so each epoch draws a random one.

    Args:
        interactions, split: the data; training events are used.
        window: events that are read, at most; a window has one more, its last target.
        batch: positions per batch, at most; at most a tenth of the log.
        seed: of all random draws.
        targets: see :class:`p5rec.data.windows.Cutter`.

    Attributes:
        steps: batches per epoch, approximately.
        behaviours: names of the behaviours that are distinguished; empty if the data have one kind.
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

    def batches(self, n: int) -> Iterator[WindowBatch]:
        """The batches of epoch n."""
        ties = keyed(self.keys, self.seed, "ties", n)
        shuffled = np.lexsort((ties, self.moments, self.cutter.users))
        items, done = self.items[shuffled], self.done[shuffled]
        targets = None if self.targets is None else self.targets[shuffled]
        cuts, _ = self.cutter.epoch(n)
        lengths = cuts[:, 1] - cuts[:, 0]
        order = np.argsort(lengths, kind="stable")  # equal lengths stay shuffled
        cuts, lengths = cuts[order], lengths[order]
        positions = np.cumsum(lengths - 1)
        ends = np.arange(self.batch, positions[-1] if len(positions) else 0, self.batch)
        groups = np.split(np.arange(len(cuts)), np.unique(np.searchsorted(positions, ends)))
        for g in derive_rng(self.seed, "batches", n).permutation(len(groups)):
            rows = groups[g]
            if not len(rows):
                continue
            at = cuts[rows, :1] + np.arange(lengths[rows[-1]])
            real = at < cuts[rows, 1:]
            at = np.where(real, at, cuts[rows, :1])
            after = np.arange(at.shape[1]) - self.back[at]
            is_target = real & (after >= 0)
            if targets is not None:
                is_target &= targets[at]
            row, column = np.nonzero(is_target)
            if len(row):
                users = self.cutter.users[at[:, 0]].astype(np.int64)
                arrays = items[at], done[at], row, column, after[is_target], users
                yield WindowBatch(*map(torch.from_numpy, arrays))


def length_buckets(
    histories: Histories, window: int, *columns: np.ndarray
) -> Iterator[tuple[np.ndarray, list[np.ndarray], np.ndarray]]:
    """Requests with a history, in batches whose shape depends only on each request's length.

    So a network's output for a request is bitwise independent of the other requests.

    Args:
        histories: B requests of at most ``window`` events.
        window: the longest history.
        columns: ``(S,)`` features of the events.

    Yields:
        The requests ``(b,)``; each column ``(BATCH, T)`` int64; and the position of the last event
        ``(BATCH,)``. The first b rows are those of the requests. T is a power of 2 or the window.
    """
    length = histories.lengths
    padded = 2 ** np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    padded = np.where(length > 0, np.minimum(padded, window), 0)
    for width in np.unique(padded[padded > 0]):
        bucket = np.flatnonzero(padded == width)
        for at in range(0, len(bucket), BATCH):
            rows = bucket[at : at + BATCH]
            last = np.zeros(BATCH, dtype=np.int64)
            last[: len(rows)] = length[rows] - 1
            source, _ = ranges(histories.offsets[:-1][rows], length[rows])
            tables = [np.zeros((BATCH, width), dtype=np.int64) for _ in columns]
            for table, column in zip(tables, columns, strict=True):
                table[: len(rows)][np.arange(width) <= last[: len(rows), None]] = column[source]
            yield rows, tables, last
