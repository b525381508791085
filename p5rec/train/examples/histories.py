"""Histories as training rows: each is one sequence, and every event in it is a target, but for
those of behaviours that are history alone.

Where there is an encoder, it reads a history up to a drawn event, and the decoder is asked for what
follows: for few items, because the first is what a list is made of, and the further ones teach the
decoder to read itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from p5rec.data.windows import Windows
from p5rec.models.inputs import CodeLayout
from p5rec.models.ratings import RatedHistories

from ..config import NextItemConfig
from .example import IGNORE, TrainingExample

TOLD = 20  # tokens, about, in which statistics are told


class NextItemExamples:
    """Items in order: each is to be named after those before it.

    Args:
        windows: which events each row holds.
        items: ``(E,)`` the items of all events.
        layout: their codes.
        bos: the token that opens a sequence.
        config: how a row asks.
    """

    def __init__(
        self,
        windows: Windows,
        items: np.ndarray,
        layout: CodeLayout,
        bos: int,
        config: NextItemConfig,
    ) -> None:
        self.windows, self.items, self.layout, self.bos = windows, items, layout, bos
        self.config = config

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row."""
        return self.windows.lengths * self.layout.stride + 1

    def __getitem__(self, i: int) -> TrainingExample:
        (events, rng), config = self.windows.row(i), self.config
        levels, stride = self.layout.codes.levels, self.layout.stride
        each = self.layout.events(self.items[events], self.windows.done(events))  # (n, stride)
        targets, back = self.windows.targets(events), self.windows.back(events)
        if not self.layout.merged:  # after its first code no state is without the events between
            targets = targets & (back == 1)
        after = np.arange(len(events)) - back  # the event after which each is asked for
        asked = np.where(targets[:, None] & (np.arange(stride) < levels), each, IGNORE)
        tokens = np.concatenate([[self.bos], each.reshape(-1)])
        labels = np.concatenate([[IGNORE], asked.reshape(-1)])
        hidden = rng.random(len(events)) < config.item_dropout
        blank = np.concatenate([[False], hidden.repeat(stride)])
        steps = np.concatenate([[1], back.repeat(stride)])
        later = 1 + np.unique(after[targets & (after >= 0)])
        if not len(later):  # a tie may bring the one that is asked for to the front
            later = np.arange(1, len(events))
        split = 1 + stride * int(later[rng.integers(1, len(later) + 1) - 1])
        if rng.random() >= config.bos_probability:
            labels[1:][(after < 0).repeat(stride)] = IGNORE
            tokens, labels, blank, steps = tokens[1:], labels[1:], blank[1:], steps[1:]
            split -= 1
        if config.targets_per_example:
            named = np.flatnonzero(labels != IGNORE).reshape(-1, levels)
            labels[rng.permutation(named)[config.targets_per_example :]] = IGNORE
        stop = split + stride * config.decoder_targets
        apart = steps if self.layout.merged and (back > 1).any() else None
        return TrainingExample(tokens, labels, back=apart, blank=blank, split=split, stop=stop)


class RatingSequenceExamples:
    """Items and their ratings in turn: each rating is to be told, in words and by the heads.

    Args:
        windows: which events each row holds.
        items, ratings: ``(E,)`` of all events, NaN where one has no rating.
        histories: how they are written.
        known: events ``(n,)`` → mean and number ``(n, 2)`` of what others gave their items, to be
            told before each rating; None: nothing is told.
    """

    def __init__(
        self,
        windows: Windows,
        items: np.ndarray,
        ratings: np.ndarray,
        histories: RatedHistories,
        known: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.windows, self.items, self.ratings = windows, items, ratings
        self.histories, self.known = histories, known

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row, each rating taken for one word."""
        each = self.histories.layout.codes.levels + 1 + (TOLD if self.known else 0)
        return self.windows.lengths * each + 1

    def __getitem__(self, i: int) -> TrainingExample:
        events, rng = self.windows.row(i)
        known = None if self.known is None else self.known(events)
        tokens, ends, words = self.histories.write(self.items[events], self.ratings[events], known)
        ratings = np.full(len(tokens), np.nan, dtype=np.float32)
        ratings[ends] = self.ratings[events]
        labels = np.where(words, tokens, IGNORE)
        return TrainingExample(tokens, labels, ratings=ratings, split=1 + int(rng.choice(ends)))
