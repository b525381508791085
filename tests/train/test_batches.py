"""How rows lie in batches changes nothing of what they teach."""

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
    """Given the same rows a step: the order of batches is fixed for that."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    whole = train(scratch(), config(steps=8, batch=8), tmp_path / "whole")
    halves = train(scratch(), config(steps=8, batch=4, accumulate=2), tmp_path / "halves")
    found, wanted = (curve(tmp_path / n, "loss", "grad_norm") for n in ("halves", "whole"))
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
    assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-3)
    for name, value in weights(whole).items():
        assert torch.allclose(weights(halves)[name], value, atol=2e-3), name


def test_one_divisor_lets_every_label_weigh_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step: the summed loss over the divisor, however the rows lie in batches."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    runs = {
        "own": config(steps=1, batch=8),
        "even": config(steps=1, batch=8, divisor=50.0),
        "halves": config(steps=1, batch=4, accumulate=2, divisor=50.0),
    }
    found = {}
    for name, settings in runs.items():
        train(scratch(), settings, tmp_path / name)
        found[name] = curve(tmp_path / name, "loss", "grad_norm")
    (own,), (even,) = found["own"]["loss"], found["even"]["loss"]
    labels = 50 * even / own  # of the step
    assert labels == pytest.approx(round(labels), abs=1e-3)
    assert labels != 50
    assert found["even"]["grad_norm"][0] == pytest.approx(
        found["own"]["grad_norm"][0] * labels / 50, rel=1e-4
    )
    for name in ("loss", "grad_norm"):
        assert found["halves"][name] == pytest.approx(found["even"][name], rel=1e-3)


def test_packed_rows_draw_the_same_curve(tmp_path: Path) -> None:
    """Lines of 120 tokens for rows of up to 50: as many rows a step, fewer lines."""
    runs = {size: train(scratch(), config(steps=8, packing=size), tmp_path / str(size))
            for size in (0, 120)}  # fmt: skip
    found, wanted = (curve(tmp_path / str(size), "loss", "grad_norm") for size in (120, 0))
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
    assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-3)
    for name, value in weights(runs[0]).items():
        assert torch.allclose(weights(runs[120])[name], value, atol=2e-3), name


def test_a_model_with_an_encoder_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.packing: expected none for a model with an enc"):
        train(scratch(shape="t5"), config(packing=100), tmp_path)


def test_a_model_with_an_encoder_is_asked_for_what_follows(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"train\.next_item\.targets_per_example: expected none for a model with an enc",
    ):
        train(scratch(shape="t5"), config(next_item={"targets_per_example": 1}), tmp_path)
