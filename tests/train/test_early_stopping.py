"""What a run leaves: the mean of its weights, those of its best look, or the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from pydantic import ValidationError
from small_runs import config, curve, log, same, train, weights
from tiny_models import scratch

from p5rec.core.features import Users
from p5rec.core.types import Catalog, Corpus
from p5rec.models.averages import RunningMean
from p5rec.train.config import TrainConfig
from p5rec.train.schedule import epochs_to_steps

DROPOUT = scratch(dropout=0.2)


def figures(*values: float) -> Callable[[], dict[str, float]]:
    left: Iterator[float] = iter(values)
    return lambda: {"NDCG@10": next(left)}


def test_swapping_twice_changes_nothing() -> None:
    weight, mean = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    running = RunningMean([weight], [mean], 5)
    running.swap()
    assert weight.tolist() == [3.0, 4.0]
    running.swap()
    assert (weight.tolist(), mean.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_a_run_without_a_better_look_stops_and_leaves_the_best_weights(tmp_path: Path) -> None:
    settings = config(steps=30, evaluate_every=2, patience=2)
    stopped = train(DROPOUT, settings, tmp_path / "one", figures(0.1, 0.3, 0.2, 0.2))
    assert len(curve(tmp_path / "one", "loss")["loss"]) == 8
    best = train(DROPOUT, settings, tmp_path / "two", figures(0.1, 0.3, 0.0, 0.0))
    assert same(stopped, best)
    # the rates of a longer schedule would differ: the same run, stopped at its second look
    short = train(DROPOUT, settings, tmp_path / "three", figures(0.0, 0.3, 0.0, 0.0))
    assert same(stopped, short)
    first = train(DROPOUT, settings, tmp_path / "four", figures(0.3, 0.1, 0.0, 0.0))
    assert not same(stopped, first)
    # so many steps and no looks leave the same weights
    exact = train(DROPOUT, config(steps=30, stop_after=4), tmp_path / "five")
    assert same(stopped, exact)
    assert len(curve(tmp_path / "five", "loss")["loss"]) == 4


def test_nothing_is_judged_without_its_figure(tmp_path: Path) -> None:
    settings = config(steps=6, evaluate_every=1, patience=1)
    train(DROPOUT, settings, tmp_path, dict)
    assert len(curve(tmp_path, "loss")["loss"]) == 6


def test_averaged_weights_are_what_is_looked_at_and_left(tmp_path: Path) -> None:
    """Training itself does not notice; the mean over a run is not where the run ends."""
    plain = train(DROPOUT, config(steps=12), tmp_path / "plain")
    mean = train(DROPOUT, config(steps=12, average=6), tmp_path / "mean")
    losses = [curve(tmp_path / name, "loss")["loss"] for name in ("plain", "mean")]
    assert losses[0] == losses[1]
    assert not same(plain, mean)
    near = train(DROPOUT, config(steps=12, average=1e-6), tmp_path / "near")
    for name, value in weights(plain).items():  # the first shares are smaller than 1
        far = (weights(mean)[name] - value).norm()
        assert (weights(near)[name] - value).norm() <= far


def test_a_crashed_run_goes_on_with_its_mean_and_its_best(tmp_path: Path) -> None:
    settings = config(steps=12, average=6, patience=9, evaluate_every=1, save_every=3)
    values = [0.1, 0.5, 0.2, 0.3, 0.6, 0.1, 0.2, 0.4, 0.55, 0.5, 0.5, 0.5]
    whole = train(DROPOUT, settings, tmp_path / "whole", figures(*values))
    calls: list[int] = []

    def crashes() -> dict[str, float]:
        calls.append(1)
        if len(calls) == 8:
            raise RuntimeError("the power went")
        return {"NDCG@10": values[len(calls) - 1]}

    with pytest.raises(RuntimeError, match="the power went"):
        train(DROPOUT, settings, tmp_path / "two", crashes)
    resumed = train(DROPOUT, settings, tmp_path / "two", figures(*values[6:]))
    assert same(resumed, whole)


def corpus(users: int, events: int) -> Corpus:
    interactions, split = log(users, events)
    names = [f"i{n}" for n in range(interactions.n_items)]
    catalog = Catalog(pa.table({"item": names, "title": names}))
    return Corpus(interactions, catalog, Users.of([f"u{n}" for n in range(users)]), split)


def test_passes_are_told_in_steps_of_the_data() -> None:
    small = epochs_to_steps(TrainConfig(epochs={"max_epochs": 3, "ema_epochs": 2}), corpus(30, 9))
    assert (small.batch, small.steps, small.evaluate_every) == (3, 30, 10)  # ten steps a pass
    assert (small.average, small.patience, small.epochs) == (20, 8, None)
    assert small.divisor == 21  # 210 events in ten steps
    sparse = epochs_to_steps(TrainConfig(epochs={}, next_item={"targets_per_example": 3}), corpus(30, 9))
    assert (sparse.batch, sparse.divisor) == (3, 9)
    large = epochs_to_steps(TrainConfig(epochs={"max_epochs": 3, "targets_per_step": 70}), corpus(600, 9))
    assert (large.batch, large.steps) == (8, 3 * 75)  # ten rows of seven, in an even batch
    plain = TrainConfig(steps=7)
    assert epochs_to_steps(plain, corpus(3, 9)) is plain


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"epochs": {}, "tasks": {"next-item": {}, "rating": {}}},
            "expected the task next-item alone",
        ),
        ({"patience": 2}, "set evaluate_every"),
        (
            {"align": {"objective": "sdpo"}, "next_item": {"bos_probability": 0.5}},
            r"set next_item\.bos_probability to 1",
        ),
        (
            {"align": {"objective": "sdpo"}, "next_item": {"targets_per_example": 1}},
            r"set align\.positions",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TrainConfig(**settings)
