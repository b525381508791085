"""The final weights: averaged, of the best validation check, or the last ones."""

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


def validation(*values: float) -> Callable[[], dict[str, float]]:
    remaining: Iterator[float] = iter(values)
    return lambda: {"NDCG@10": next(remaining)}


def test_swapping_twice_changes_nothing() -> None:
    weight, mean = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    running = RunningMean([weight], [mean], 5)
    running.swap()
    assert weight.tolist() == [3.0, 4.0]
    running.swap()
    assert (weight.tolist(), mean.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_a_run_without_improvement_stops_with_the_best_weights(tmp_path: Path) -> None:
    settings = config(steps=30, evaluate_every=2, patience=2)
    stopped = train(DROPOUT, settings, tmp_path / "one", validation(0.1, 0.3, 0.2, 0.2))
    assert len(curve(tmp_path / "one", "loss")["loss"]) == 8
    best = train(DROPOUT, settings, tmp_path / "two", validation(0.1, 0.3, 0.0, 0.0))
    assert same(stopped, best)
    # the same run with the best weights at its second check
    short = train(DROPOUT, settings, tmp_path / "three", validation(0.0, 0.3, 0.0, 0.0))
    assert same(stopped, short)
    first = train(DROPOUT, settings, tmp_path / "four", validation(0.3, 0.1, 0.0, 0.0))
    assert not same(stopped, first)
    # the same number of steps without validation gives the same weights
    exact = train(DROPOUT, config(steps=30, stop_after=4), tmp_path / "five")
    assert same(stopped, exact)
    assert len(curve(tmp_path / "five", "loss")["loss"]) == 4


def test_without_its_metric_early_stopping_does_nothing(tmp_path: Path) -> None:
    settings = config(steps=6, evaluate_every=1, patience=1)
    train(DROPOUT, settings, tmp_path, dict)
    assert len(curve(tmp_path, "loss")["loss"]) == 6


def test_averaged_weights_are_validated_and_returned(tmp_path: Path) -> None:
    """Averaging does not change training, and the average is not the last weights."""
    plain = train(DROPOUT, config(steps=12), tmp_path / "plain")
    mean = train(DROPOUT, config(steps=12, average=6), tmp_path / "mean")
    losses = [curve(tmp_path / name, "loss")["loss"] for name in ("plain", "mean")]
    assert losses[0] == losses[1]
    assert not same(plain, mean)
    near = train(DROPOUT, config(steps=12, average=1e-6), tmp_path / "near")
    for name, value in weights(plain).items():  # the first averages contain earlier weights
        far = (weights(mean)[name] - value).norm()
        assert (weights(near)[name] - value).norm() <= far


def test_a_crashed_run_resumes_with_its_average_and_best_weights(tmp_path: Path) -> None:
    settings = config(steps=12, average=6, patience=9, evaluate_every=1, save_every=3)
    values = [0.1, 0.5, 0.2, 0.3, 0.6, 0.1, 0.2, 0.4, 0.55, 0.5, 0.5, 0.5]
    uninterrupted = train(DROPOUT, settings, tmp_path / "whole", validation(*values))
    calls: list[int] = []

    def crashes() -> dict[str, float]:
        calls.append(1)
        if len(calls) == 8:
            raise RuntimeError("crashed")
        return {"NDCG@10": values[len(calls) - 1]}

    with pytest.raises(RuntimeError, match="crashed"):
        train(DROPOUT, settings, tmp_path / "two", crashes)
    resumed = train(DROPOUT, settings, tmp_path / "two", validation(*values[6:]))
    assert same(resumed, uninterrupted)


def corpus(users: int, events: int) -> Corpus:
    interactions, split = log(users, events)
    names = [f"i{n}" for n in range(interactions.n_items)]
    catalog = Catalog(pa.table({"item": names, "title": names}))
    return Corpus(interactions, catalog, Users.of([f"u{n}" for n in range(users)]), split)


def test_epochs_are_converted_to_steps() -> None:
    small = epochs_to_steps(TrainConfig(epochs={"max_epochs": 3, "ema_epochs": 2}), corpus(30, 9))
    assert (small.batch, small.steps, small.evaluate_every) == (3, 30, 10)  # ten steps an epoch
    assert (small.average, small.patience, small.epochs) == (20, 8, None)
    assert small.divisor == 21  # 210 events in ten steps
    sparse = epochs_to_steps(
        TrainConfig(epochs={}, next_item={"targets_per_example": 3}), corpus(30, 9)
    )
    assert (sparse.batch, sparse.divisor) == (3, 9)
    large = epochs_to_steps(
        TrainConfig(epochs={"max_epochs": 3, "targets_per_step": 70}), corpus(600, 9)
    )
    assert (large.batch, large.steps) == (
        8,
        3 * 75,
    )  # ten examples of seven targets, in an even batch
    plain = TrainConfig(steps=7)
    assert epochs_to_steps(plain, corpus(3, 9)) is plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"epochs": {}, "tasks": {"next-item": {}, "rating": {}}},
            "expected only the task next-item",
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
def test_incompatible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainConfig(**settings)
