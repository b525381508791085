"""Batching does not change gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import config, curve, train, weights
from tiny_models import scratch

from p5rec.core.errors import UserError
from p5rec.train import schedule


def test_accumulated_batches_equal_one_large_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same examples in each step: the order of batches is fixed."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    one_batch = train(scratch(), config(steps=8, batch=8), tmp_path / "whole")
    two_halves = train(scratch(), config(steps=8, batch=4, accumulate=2), tmp_path / "halves")
    actual, expected = (curve(tmp_path / n, "loss", "grad_norm") for n in ("halves", "whole"))
    assert actual["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert actual["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)
    for name, value in weights(one_batch).items():
        assert torch.allclose(weights(two_halves)[name], value, atol=2e-3), name


def test_a_fixed_divisor_weighs_every_label_equally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step: the summed loss over the divisor, for any batching."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    runs = {
        "own": config(steps=1, batch=8),
        "even": config(steps=1, batch=8, divisor=50.0),
        "halves": config(steps=1, batch=4, accumulate=2, divisor=50.0),
    }
    actual = {}
    for name, settings in runs.items():
        train(scratch(), settings, tmp_path / name)
        actual[name] = curve(tmp_path / name, "loss", "grad_norm")
    (own,), (even,) = actual["own"]["loss"], actual["even"]["loss"]
    labels = 50 * even / own  # of the step
    assert labels == pytest.approx(round(labels), abs=1e-3)
    assert labels != 50
    assert actual["even"]["grad_norm"][0] == pytest.approx(
        actual["own"]["grad_norm"][0] * labels / 50, rel=1e-4
    )
    for name in ("loss", "grad_norm"):
        assert actual["halves"][name] == pytest.approx(actual["even"][name], rel=1e-3)


def test_packed_examples_give_the_same_curve(tmp_path: Path) -> None:
    """Sequences of 120 tokens for examples of up to 50: as many examples, fewer sequences."""
    runs = {size: train(scratch(), config(steps=8, packing=size), tmp_path / str(size))
            for size in (0, 120)}  # fmt: skip
    actual, expected = (curve(tmp_path / str(size), "loss", "grad_norm") for size in (120, 0))
    assert actual["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert actual["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)
    for name, value in weights(runs[0]).items():
        assert torch.allclose(weights(runs[120])[name], value, atol=2e-3), name


def test_a_model_with_an_encoder_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.packing: expected none for a model with an enc"):
        train(scratch(shape="t5"), config(packing=100), tmp_path)


def test_a_model_with_an_encoder_has_no_targets_per_example(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"train\.next_item\.targets_per_example: expected none for a model with an enc",
    ):
        train(scratch(shape="t5"), config(next_item={"targets_per_example": 1}), tmp_path)
