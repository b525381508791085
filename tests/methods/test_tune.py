import numpy as np
import pytest

from p5rec.recommend.baselines.popularity import PopularityConfig
from p5rec.recommend.baselines.rating import BiasConfig, fit_bias
from p5rec.recommend.baselines.registry import RECOMMENDERS, Baseline
from p5rec.recommend.baselines.tune import by_ranking, by_rmse, tune


def test_the_best_on_validation_is_kept_and_all_are_told(build, ask):
    of_users = [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7]]
    events, split = build(of_users, 8, held_out=2)
    targets = np.array([2, 2, 6, 6])
    baseline = RECOMMENDERS.get("item-knn")
    tuned = tune(baseline, events, split, by_ranking(ask([own[:2] for own in of_users]), targets))
    assert [trial.config for trial in tuned.trials] == list(baseline.grid)
    assert tuned.best.figure == max(trial.figure for trial in tuned.trials)
    assert tuned.model.config == tuned.best.config


def test_of_equal_configs_the_first_stays(build, ask):
    shrinks = (3.0, 1.0, 2.0)
    grid = tuple(BiasConfig(user_shrink=shrink) for shrink in shrinks)
    world = build([[0, 1]], 2, ratings=[[3.0, 3.0]])
    tuned = tune(Baseline(fit_bias, BiasConfig(), grid), *world, lambda model: 0.5)
    assert tuned.best.config == grid[0]


def test_figures(build, ask):
    popularity = RECOMMENDERS.get("popularity")
    model = popularity.fit(*build([[0, 1], [0, 1], [0], [2]], 4), PopularityConfig())
    requests = ask([[], [0]])  # their lists begin 0, 1, 2 and 1, 2
    assert by_ranking(requests, np.array([1, 2]), "HR@1")(model) == 0
    assert by_ranking(requests, np.array([1, 2]), "MRR@2")(model) == 0.5
    rated = fit_bias(*build([[0, 0]], 1, ratings=[[3.0, 3.0]]), BiasConfig())
    figure = by_rmse(ask([[], []], users=[0, 0]), np.array([0, 0]), np.array([2.0, 5.0]))(rated)
    assert figure == pytest.approx(-(2.5**0.5))


def test_an_empty_grid_is_refused(build):
    with pytest.raises(ValueError, match="at least one config"):
        tune(Baseline(fit_bias, BiasConfig(), ()), *build([[0]], 1), lambda model: 0.0)
