"""Histories with prompts as branches: the model reads a history once for all prompts about it.

A history is a rating sequence (:mod:`p5rec.models.ratings`), or items alone in data without
ratings. Next items and ratings are its own targets. A prompt about an event of the history
continues the events before it; it sees neither later events nor other prompts.

An encoder reads a history up to a random event, so all prompts of that history are about this
event. The decoder predicts the event and some after it, and reads each prompt as a sequence of its
own.

R histories, n events of a history, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from p5rec.core.rng import keyed, uniform
from p5rec.core.types import ranges
from p5rec.data.windows import Windows
from p5rec.models.config import NEXT_ITEM, RATING_SEQUENCE
from p5rec.models.ratings import RatedHistories, RatingSequence

from ..config import NextItemConfig
from .example import IGNORE, TrainingExample, TrainingExamples, field_values

PLAIN = ("input_ids", "labels", "tasks")
OPTIONAL = ("ratings", "blank", "steps_back", "after")
PROMPT_TOKENS = 24  # estimated tokens of a prompt without its history


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """The events that the prompts of one family are about.

    Attributes:
        rows: ``(P,)`` event rows, those of one history together.
        offsets: ``(R + 1,)`` of the histories in them.
    """

    rows: np.ndarray
    offsets: np.ndarray


def draw_rows(
    windows: Windows, eligible: np.ndarray, expected: float, seed: int, family: str
) -> DrawnRows:
    """Draws events of each history for the prompts of a family, spread over the history.

    The first event of a history has no event before it, and is not drawn.

    Args:
        windows: the histories.
        eligible: ``(E,)`` bool, the events that the family may be about.
        expected: the mean number of prompts per history.
        seed: of the draws; those of a history depend on its key alone.
        family: its name.
    """
    chosen = np.flatnonzero(eligible[windows.events])
    before = np.searchsorted(chosen, windows.cuts[:, 0] + 1)
    count = np.searchsorted(chosen, windows.cuts[:, 1]) - before
    extra, start = (
        uniform(keyed(windows.keys, seed, name, family)) for name in ("prompts", "spread")
    )
    wanted = np.minimum(np.floor(expected + extra).astype(np.int64), count)
    nth, offsets = ranges(np.zeros_like(wanted), wanted)
    of_prompt = np.repeat(np.arange(len(wanted)), wanted)
    index = np.floor((nth + start[of_prompt]) * count[of_prompt] / wanted[of_prompt])
    return DrawnRows(windows.events[chosen[before[of_prompt] + index.astype(np.int64)]], offsets)


def draw_event(windows: Windows, seed: int) -> np.ndarray:
    """``(R,)`` one event of each history, not its first: the event after which an encoder ends."""
    count = np.diff(windows.cuts, axis=1)[:, 0] - 1
    nth = np.floor(uniform(keyed(windows.keys, seed, "encoder")) * count).astype(np.int64)
    chosen: np.ndarray = windows.events[windows.cuts[:, 0] + 1 + nth]
    return chosen


def draw_prompts(
    windows: Windows, events: np.ndarray, eligible: np.ndarray, share: float, seed: int, family: str
) -> DrawnRows:
    """Draws the histories in which a family has a prompt about the event of :func:`draw_event`.

    Args:
        events: ``(R,)`` rows of events.
        eligible: ``(E,)`` bool, the events that the family may be about.
        share: of the histories with an eligible event.
        seed, family: as those of :func:`draw_rows`.
    """
    drawn = eligible[events] & (uniform(keyed(windows.keys, seed, "prompts", family)) < share)
    return DrawnRows(events[drawn], np.append(0, np.cumsum(drawn)))


@dataclass(frozen=True, eq=False)
class Branches:
    """The prompts of one family.

    Attributes:
        task: the number of its task.
        drawn: the events that the prompts are about.
        prompts: their examples, without the history.
    """

    task: int
    drawn: DrawnRows
    prompts: TrainingExamples


class SharedHistoryExamples:
    """Histories, each with its prompts as branches.

    Args:
        windows: the histories.
        items: ``(E,)`` of all events.
        ratings: ``(E,)`` of all events, NaN where unknown; None: histories have items alone.
        histories: converts histories to tokens.
        branches: the prompts of each family.
        tasks: the numbers of the tasks ``next-item`` and ``rating-sequence``, as far as they are
            trained.
        config: settings of the tasks of histories.
        ends: ``(R,)`` the event before which the encoder's input ends; None: there is no encoder.
    """

    def __init__(
        self,
        windows: Windows,
        items: np.ndarray,
        ratings: np.ndarray | None,
        histories: RatedHistories,
        branches: Sequence[Branches],
        tasks: Mapping[str, int],
        config: NextItemConfig,
        ends: np.ndarray | None = None,
    ) -> None:
        self.windows, self.items, self.histories = windows, items, histories
        self.ratings = np.full(len(items), np.nan, np.float32) if ratings is None else ratings
        self.branches, self.tasks, self.config, self.ends = branches, tasks, config, ends

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens of each example, assuming one token a rating."""
        prompts = sum(np.diff(each.drawn.offsets) for each in self.branches)
        rated = int(np.isfinite(self.ratings[self.windows.events]).any())
        each = self.histories.layout.codes.levels + rated
        lengths: np.ndarray = 1 + self.windows.lengths * each + prompts * PROMPT_TOKENS
        return lengths

    def __getitem__(self, i: int) -> TrainingExample:
        events, rng = self.windows.draw(i)
        hidden = rng.random(len(events)) < self.config.item_dropout
        history = self.histories.write(self.items[events], self.ratings[events])
        levels = self.histories.layout.codes.levels
        codes = history.ends[:, None] - np.arange(levels)[::-1]  # (n, L) the tokens of each item
        # the last token of the start (0) and of each event, with its rating (n + 1,)
        last = np.append(codes[:, 0], len(history.tokens)) - 1
        # the last token that each event and the prompts about it follow (n,)
        follows = last[1 + np.arange(len(events)) - self.windows.steps_back(events)]
        whole, split = self._history(events, history, codes, follows, hidden), 1
        if self.ends is not None:
            first = int(np.flatnonzero(events == self.ends[i])[0])
            beyond = first + self.config.decoder_targets
            end = int(codes[beyond, 0]) if beyond < len(events) else len(history.tokens)
            whole, split = whole.until(end), int(follows[first]) + 1
        parts = [whole]
        token_of = dict(zip(events.tolist(), follows.tolist(), strict=True))
        for each in self.branches:
            own = range(*each.drawn.offsets[i : i + 2].tolist())
            rows = each.drawn.rows[own.start : own.stop].tolist()
            parts += [
                _branch(each.prompts[number], each.task, token_of[row] if self.ends is None else -1)
                for number, row in zip(own, rows, strict=True)
            ]
        return _joined(parts, split)

    def _history(
        self,
        events: np.ndarray,
        history: RatingSequence,
        codes: np.ndarray,
        follows: np.ndarray,
        hidden: np.ndarray,
    ) -> TrainingExample:
        """The history with the targets in it."""
        tokens, ends, words = history
        labels, ratings = np.full(len(tokens), IGNORE), np.full(len(tokens), np.nan, np.float32)
        tasks, blank = np.zeros(len(tokens), np.int64), np.zeros(len(tokens), bool)
        blank[codes] = hidden[:, None]
        if (task := self.tasks.get(RATING_SEQUENCE)) is not None:
            labels[words] = tokens[words]
            ratings[ends] = self.ratings[events]
            tasks[words], tasks[ends] = task, task
        opening, merged = np.ones(len(tokens), dtype=bool), self.histories.layout.merged
        opening[codes[:, 1:]] = not merged
        positions = np.cumsum(opening)
        steps_back = np.ones(len(tokens), np.int64)
        steps_back[codes[:, 0]] = positions[codes[:, 0]] - positions[follows]
        if (task := self.tasks.get(NEXT_ITEM)) is not None:
            targets = self.windows.is_target(events)
            if not merged:  # states of later codes depend on the events between
                targets = targets & (steps_back[codes[:, 0]] == 1)
            labels[codes[targets]] = tokens[codes[targets]]
            tasks[codes[:, 0]] = task  # the loss of an item stands at its first token
        spread = steps_back if merged and (steps_back > 1).any() else None
        return TrainingExample(tokens, labels, ratings, blank, steps_back=spread, tasks=tasks)


def _branch(prompt: TrainingExample, task: int, after: int) -> TrainingExample:
    """``prompt`` as a continuation of the history up to its token ``after``; -1: of an encoder's
    input."""
    filled = np.full_like(prompt.labels, 1)
    return replace(prompt, tasks=task * filled, after=None if after < 0 else after * filled)


def _joined(parts: Sequence[TrainingExample], split: int) -> TrainingExample:
    """One example of several branches, of which an encoder reads the first ``split`` tokens."""
    lengths = [len(part.labels) for part in parts]
    fields: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in PLAIN
    }
    for name in OPTIONAL:
        if any(getattr(part, name) is not None for part in parts):
            fields[name] = np.concatenate(field_values(parts, name))
    return TrainingExample(
        **fields,
        branches=np.repeat(np.arange(len(parts)), lengths),
        split=split,
        shortened=any(part.shortened for part in parts),
        cut=any(part.cut for part in parts),
    )
