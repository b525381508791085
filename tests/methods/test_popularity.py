"""Popularity of all times and of late, by itself and as a part of a fusion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p5rec.core.types import Histories
from p5rec.methods.baselines.popularity import SMOOTHING, Popularity, PopularityPredictor
from p5rec.methods.predictors import ScoresOtherItems


def of_times(build, times: list[int], half_life: float | None) -> PopularityPredictor:
    """Five users take an item each, the last two the same one, at these times."""
    log, split = build([[0], [1], [2], [3], [3]], 5)
    return Popularity(half_life=half_life).learn(replace(log, times=np.array(times)), split)


def test_an_event_counts_half_after_its_share_of_the_events_that_came_later(build):
    weights = np.array([0.5 ** (later / 2) for later in (4, 3, 2, 1, 0)])  # 0.4 of 5 events: two
    weights *= 5 / weights.sum()
    want = [*weights[:3], weights[3] + weights[4], 0]
    assert of_times(build, [1, 2, 3, 4, 5], 0.4).counts == pytest.approx(want)


def test_events_of_one_moment_count_alike(build):
    counts = of_times(build, [7, 7, 7, 7, 7], 0.1).counts
    assert counts == pytest.approx([1, 1, 1, 2, 0])
    assert of_times(build, [1, 2, 3, 4, 5], None).counts.tolist() == [1, 1, 1, 2, 0]


def test_what_came_last_wins_where_events_fade_quickly(build):
    old = of_times(build, [5, 1, 2, 3, 3], 0.05)
    assert old.counts.argmax() == 0


def test_its_logarithms_are_one_row_for_everybody_and_know_every_item(build):
    model = of_times(build, [1, 2, 3, 4, 5], None)
    assert isinstance(model, ScoresOtherItems)
    histories = Histories(np.array([0, -1], np.int32), np.array([3], np.int32), np.array([0, 1, 1]))
    logs = model.item_logs(histories)
    assert logs.dtype == np.float32
    assert logs == pytest.approx(np.tile(np.log([1.5, 1.5, 1.5, 2.5, 0.5]), (2, 1)))
    other = model.over(np.array([3, -1]))
    assert other.item_logs(histories)[0] == pytest.approx(np.log([2 + SMOOTHING, SMOOTHING]))
