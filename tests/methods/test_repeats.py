"""What a user had before, by how often and how lately."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from p5rec.core.types import Histories
from p5rec.methods.baselines.repeats import FLOOR, Repeats, RepeatsPredictor
from p5rec.methods.predictors import ScoresItems

Ask = Callable[..., Histories]


def test_frequent_items_come_first_and_late_ones_where_they_count_more(ask: Ask) -> None:
    requests = ask([[3, 1, 1, 2], []])
    often = RepeatsPredictor(np.arange(5), None)
    assert isinstance(often, ScoresItems)
    assert often.scores(requests).tolist() == [[0, 2, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert often.recommend(requests, 5, exclude_seen=False).items[0].tolist() == [1, 2, 3, 0, 4]
    lately = RepeatsPredictor(np.arange(5), 1.0).scores(requests)[0]
    assert lately.tolist() == [0, 0.75, 1, 0.125, 0]


def test_items_that_are_new_to_a_user_gain_nothing(ask: Ask) -> None:
    logs = RepeatsPredictor(np.arange(5), None).item_logs(ask([[3, 1, 1, 2], []]))
    assert logs.dtype == np.float32
    assert logs[1].tolist() == [0] * 5
    assert logs[0] == pytest.approx([0, *np.log1p([1 / FLOOR, 0.5 / FLOOR, 0.5 / FLOOR]), 0])
    new = RepeatsPredictor(np.arange(5), None).over(np.array([4, -1, -1]))
    assert (new.item_logs(ask([[1]]))[0] > 0).tolist() == [False, True, False]


def test_one_fit_serves_every_half_life(build, ask: Ask, tmp_path: Path) -> None:
    world = build([[0, 1, 2], [3, 4]], 5)
    Repeats().learn(*world).save(tmp_path)
    assert Repeats(half_life=2).fit_settings() == Repeats().fit_settings()
    requests = ask([[3, 1, 1]])
    loaded = Repeats(half_life=2).load(tmp_path).scores(requests)
    assert np.array_equal(loaded, Repeats(half_life=2).learn(*world).scores(requests))
