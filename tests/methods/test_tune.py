"""Settings that validation selects, and its metrics."""

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.rating import Bias
from p5rec.methods.registry import RANKING, baseline
from p5rec.methods.tune import by_ranking, by_rmse
from p5rec.tasks.rating import RATING


def test_fixed_settings_are_not_tuned() -> None:
    assert [point.l2 for point in Ease().points()] == [100, 250, 500, 1000]
    assert Ease(l2=7).points() == (Ease(l2=7, tune={}),)
    grid = Ease(tune={"half_life": [1, 2], "l2": [3, 4]}).points()
    assert [(p.half_life, p.l2) for p in grid] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert Ease(**Ease(l2=7).dump()) == Ease(l2=7)
    assert Ease(tune={}).points() == (Ease(l2=500, tune={}),)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"l3": [1]}, "no setting 'l3'"),
        ({"kind": ["ease"]}, "no setting 'kind'"),
        ({"l2": []}, "at least one value of 'l2'"),
        ({"l2": [1, -1]}, "greater than 0"),
    ],
)
def test_an_invalid_grid_is_refused(tune: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Ease(tune=tune)


def test_every_short_name_is_a_method() -> None:
    for name in (*RANKING, *RATING.references):
        assert baseline(name).points()


def test_metrics(build: Callable, make_requests: Callable) -> None:
    model = Popularity().learn(*build([[0, 1], [0, 1], [0], [2]], 4))
    requests = make_requests([[], [0]])  # their lists begin 0, 1, 2 and 1, 2
    assert by_ranking(requests, np.array([1, 2]), "HR@1")(model) == 0
    assert by_ranking(requests, np.array([1, 2]), "MRR@2")(model) == 0.5
    rated = Bias().learn(*build([[0, 0]], 1, ratings=[[3.0, 3.0]]))
    value = by_rmse(make_requests([[], []], users=[0, 0]), np.array([0, 0]), np.array([2.0, 5.0]))(
        rated
    )
    assert value == pytest.approx(-(2.5**0.5))
