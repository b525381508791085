"""Histories as training examples: a history is one sequence, and every item in it is a target,
except events of input-only behaviours.

With an encoder, the encoder reads a history up to a random event, and the decoder predicts the
following items. There are few decoder targets: recommendations need only the first one, and the
others train the decoder on its own inputs.
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

STATISTICS_TOKENS = 20  # estimated tokens of the statistics before a rating


class NextItemExamples:
    """Histories in which each item is predicted from the items before it.

    Args:
        windows: the events of each example.
        items: ``(E,)`` the items of all events.
        layout: the items' codes.
        bos: the start token.
        config: settings of the task.
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
        """``(R,)`` tokens of each example."""
        return self.windows.lengths * self.layout.stride + 1

    def __getitem__(self, i: int) -> TrainingExample:
        (events, rng), config = self.windows.draw(i), self.config
        levels, stride = self.layout.codes.levels, self.layout.stride
        each = self.layout.events(
            self.items[events], self.windows.behaviours_of(events)
        )  # (n, stride)
        targets, steps_back = self.windows.is_target(events), self.windows.steps_back(events)
        if not self.layout.merged:  # states of later codes depend on the events between
            targets = targets & (steps_back == 1)
        after = np.arange(len(events)) - steps_back  # the event whose state predicts each item
        target_ids = np.where(targets[:, None] & (np.arange(stride) < levels), each, IGNORE)
        tokens = np.concatenate([[self.bos], each.reshape(-1)])
        labels = np.concatenate([[IGNORE], target_ids.reshape(-1)])
        hidden = rng.random(len(events)) < config.item_dropout
        blank = np.concatenate([[False], hidden.repeat(stride)])
        steps = np.concatenate([[1], steps_back.repeat(stride)])
        later = 1 + np.unique(after[targets & (after >= 0)])
        if not len(later):  # the only target may be first after a shuffle of ties
            later = np.arange(1, len(events))
        split = 1 + stride * int(later[rng.integers(1, len(later) + 1) - 1])
        if rng.random() >= config.bos_probability:
            labels[1:][(after < 0).repeat(stride)] = IGNORE
            tokens, labels, blank, steps = tokens[1:], labels[1:], blank[1:], steps[1:]
            split -= 1
        if config.targets_per_example:
            labelled = np.flatnonzero(labels != IGNORE).reshape(-1, levels)
            labels[rng.permutation(labelled)[config.targets_per_example :]] = IGNORE
        stop = split + stride * config.decoder_targets
        spread = steps if self.layout.merged and (steps_back > 1).any() else None
        return TrainingExample(
            tokens, labels, steps_back=spread, blank=blank, split=split, stop=stop
        )


class RatingSequenceExamples:
    """Rating sequences: each rating is predicted, as text and by the rating heads.

    Args:
        windows: the events of each example.
        items, ratings: ``(E,)`` of all events, NaN for events without a rating.
        histories: converts histories to tokens.
        statistics: events ``(n,)`` → mean and number ``(n, 2)`` of other users' ratings of their
            items, written before each rating; None: no statistics.
    """

    def __init__(
        self,
        windows: Windows,
        items: np.ndarray,
        ratings: np.ndarray,
        histories: RatedHistories,
        statistics: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.windows, self.items, self.ratings = windows, items, ratings
        self.histories, self.statistics = histories, statistics

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens of each example, assuming one token a rating."""
        each = (
            self.histories.layout.codes.levels + 1 + (STATISTICS_TOKENS if self.statistics else 0)
        )
        return self.windows.lengths * each + 1

    def __getitem__(self, i: int) -> TrainingExample:
        events, rng = self.windows.draw(i)
        statistics = None if self.statistics is None else self.statistics(events)
        tokens, ends, words = self.histories.write(
            self.items[events], self.ratings[events], statistics
        )
        ratings = np.full(len(tokens), np.nan, dtype=np.float32)
        ratings[ends] = self.ratings[events]
        labels = np.where(words, tokens, IGNORE)
        return TrainingExample(tokens, labels, ratings=ratings, split=1 + int(rng.choice(ends)))
