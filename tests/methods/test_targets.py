"""The position from which each event of a history is predicted, in all windows of histories."""

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
    """The events in baskets of ``sizes``, repeated, within each user."""
    position = np.arange(len(log)) - log.offsets[log.users]
    basket = np.repeat(np.arange(len(sizes) * 20), np.resize(sizes, len(sizes) * 20))[position]
    return replace(log, baskets=log.users * 1000 + basket)


def test_targets_follow_the_split_unless_the_config_sets_them() -> None:
    for name, expected in (("last-basket", "next-basket"), ("last-basket-item", "next-basket")):
        assert targets_of(Split(name, np.zeros(0)), None) == expected
    for name in ("leave-one-out", "time", "user-time", "few-shot"):
        assert targets_of(Split(name, np.zeros(0)), None) == "next-event"
    assert targets_of(Split("last-basket", np.zeros(0)), "next-event") == "next-event"


def test_steps_back_point_before_the_basket() -> None:
    groups = np.array([3, 3, 7, 7, 7, 9])
    assert steps_back(groups, "next-event").tolist() == [1] * 6
    assert (np.arange(6) - steps_back(groups, "next-basket")).tolist() == [-1, -1, 1, 1, 1, 4]


def test_windows_of_one_basket_have_no_targets(build: Any) -> None:
    log, split = build([[0, 1, 2], [3, 4, 5]], 8)
    log = replace(log, baskets=np.array([0, 0, 0, 1, 2, 2]))
    assert Windows(log, split, 5, None, 0).epoch_windows == 2
    windows = Windows(log, split, 5, None, 0, "next-basket")
    assert windows.epoch_windows == 1
    events, _ = windows.draw(0)
    assert windows.steps_back(events).tolist() == [1, 1, 2]
    alone = replace(log, baskets=np.array([0, 0, 0, 1, 1, 1]))
    with pytest.raises(UserError, match="2 baskets"):
        Windows(alone, split, 5, None, 0, "next-basket")


@pytest.mark.parametrize("targets", ["next-event", "next-basket"])
def test_sasrec_predicts_each_event_from_the_given_position(build: Any, targets: Any) -> None:
    log, split = build([np.arange(9 * u, 9 * u + 9) for u in range(12)], 108)
    log = in_baskets(log, [2, 1, 3])
    basket = dict(zip(log.items.tolist(), (log.baskets % 1000).tolist(), strict=True))
    windows = TrainingWindows(log, split, window=20, batch=40, seed=0, targets=targets)
    targets_seen: Counter[int] = Counter()
    for items, _, row, column, after, _ in windows.batches(0):
        targets_seen.update(items[row, column].tolist())
        for r, c, a in zip(row.tolist(), column.tolist(), after.tolist(), strict=True):
            own = [basket[item] for item in items[r].tolist()]
            assert own[: c + 1] == sorted(own[: c + 1])
            assert a == (c - 1 if targets == "next-event" else own.index(own[c]) - 1)
    first = {9 * u for u in range(12)}
    expected = Counter(item for item in range(108) if targets == "next-event" or basket[item])
    if targets == "next-event":  # which of the first basket's two comes first is drawn
        assert sum(targets_seen.values()) == 12 * 8
        assert targets_seen.keys() >= expected.keys() - first - {item + 1 for item in first}
    else:
        assert targets_seen == expected
