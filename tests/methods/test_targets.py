"""After which event each event of a history is asked for, in every cutter of histories."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.core.types import Interactions, Split
from p5rec.data.targets import steps_back, targets_of
from p5rec.data.windows import Windows
from p5rec.methods.baselines.sequences import TrainingWindows


def in_baskets(log: Interactions, sizes: list[int]) -> Interactions:
    """The events in baskets of ``sizes``, over and over, within each user."""
    place = np.arange(len(log)) - log.offsets[log.users]
    basket = np.repeat(np.arange(len(sizes) * 20), np.resize(sizes, len(sizes) * 20))[place]
    return replace(log, baskets=log.users * 1000 + basket)


def test_the_split_says_what_is_asked_for_unless_the_config_does() -> None:
    for name, wanted in (("last-basket", "next-basket"), ("last-basket-item", "next-basket")):
        assert targets_of(Split(name, np.zeros(0)), None) == wanted
    for name in ("leave-one-out", "time", "user-time", "few-shot"):
        assert targets_of(Split(name, np.zeros(0)), None) == "next-event"
    assert targets_of(Split("last-basket", np.zeros(0)), "next-event") == "next-event"


def test_steps_back_lead_before_the_basket() -> None:
    groups = np.array([3, 3, 7, 7, 7, 9])
    assert steps_back(groups, "next-event").tolist() == [1] * 6
    assert (np.arange(6) - steps_back(groups, "next-basket")).tolist() == [-1, -1, 1, 1, 1, 4]


def test_windows_of_one_basket_ask_for_nothing(build: Any) -> None:
    log, split = build([[0, 1, 2], [3, 4, 5]], 8)
    log = replace(log, baskets=np.array([0, 0, 0, 1, 2, 2]))
    assert Windows(log, split, 5, None, 0).epoch_windows == 2
    windows = Windows(log, split, 5, None, 0, "next-basket")
    assert windows.epoch_windows == 1
    events, _ = windows.row(0)
    assert windows.back(events).tolist() == [1, 1, 2]
    alone = replace(log, baskets=np.array([0, 0, 0, 1, 1, 1]))
    with pytest.raises(UserError, match="2 baskets"):
        Windows(alone, split, 5, None, 0, "next-basket")


@pytest.mark.parametrize("targets", ["next-event", "next-basket"])
def test_sasrec_asks_for_each_event_after_the_one_that_is_named(build: Any, targets: Any) -> None:
    log, split = build([np.arange(9 * u, 9 * u + 9) for u in range(12)], 108)
    log = in_baskets(log, [2, 1, 3])
    basket = dict(zip(log.items.tolist(), (log.baskets % 1000).tolist(), strict=True))
    windows = TrainingWindows(log, split, window=20, batch=40, seed=0, targets=targets)
    asked: Counter[int] = Counter()
    for items, _, row, column, after in windows.batches(0):
        asked.update(items[row, column].tolist())
        for r, c, a in zip(row.tolist(), column.tolist(), after.tolist(), strict=True):
            own = [basket[item] for item in items[r].tolist()]
            assert own[: c + 1] == sorted(own[: c + 1])
            assert a == (c - 1 if targets == "next-event" else own.index(own[c]) - 1)
    first = {9 * u for u in range(12)}
    expected = Counter(item for item in range(108) if targets == "next-event" or basket[item])
    if targets == "next-event":  # which of the first basket's two comes first is drawn
        assert sum(asked.values()) == 12 * 8
        assert asked.keys() >= expected.keys() - first - {item + 1 for item in first}
    else:
        assert asked == expected
