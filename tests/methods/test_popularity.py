"""Overall and recent popularity, alone and as a component of a fusion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p5rec.core.types import Histories
from p5rec.methods.baselines.popularity import SMOOTHING, Popularity, PopularityPredictor
from p5rec.methods.predictors import ScoresOtherItems


def of_times(build, times: list[int], half_life: float | None) -> PopularityPredictor:
    """Five users with one event each at these times; the last two have the same item."""
    log, split = build([[0], [1], [2], [3], [3]], 5)
    return Popularity(half_life=half_life).learn(replace(log, times=np.array(times)), split)


def test_an_event_counts_half_after_the_half_life(build):
    weights = np.array([0.5 ** (later / 2) for later in (4, 3, 2, 1, 0)])  # 0.4 of 5 events: two
    weights *= 5 / weights.sum()
    expected = [*weights[:3], weights[3] + weights[4], 0]
    assert of_times(build, [1, 2, 3, 4, 5], 0.4).counts == pytest.approx(expected)


def test_simultaneous_events_count_alike(build):
    counts = of_times(build, [7, 7, 7, 7, 7], 0.1).counts
    assert counts == pytest.approx([1, 1, 1, 2, 0])
    assert of_times(build, [1, 2, 3, 4, 5], None).counts.tolist() == [1, 1, 1, 2, 0]


def test_the_latest_item_wins_with_a_short_half_life(build):
    old = of_times(build, [5, 1, 2, 3, 3], 0.05)
    assert old.counts.argmax() == 0


def test_scores_are_equal_for_all_requests_and_cover_all_items(build):
    model = of_times(build, [1, 2, 3, 4, 5], None)
    assert isinstance(model, ScoresOtherItems)
    histories = Histories(np.array([0, -1], np.int32), np.array([3], np.int32), np.array([0, 1, 1]))
    logs = model.item_logs(histories)
    assert logs.dtype == np.float32
    assert logs == pytest.approx(np.tile(np.log([1.5, 1.5, 1.5, 2.5, 0.5]), (2, 1)))
    other = model.over(np.array([3, -1]))
    assert other.item_logs(histories)[0] == pytest.approx(np.log([2 + SMOOTHING, SMOOTHING]))
