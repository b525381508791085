"""A diverging training stops with an error; a hard one continues."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import ITEMS, SCALE, config, curve, fit_on, train
from tiny_models import make_bundle, scratch, some_codes
from transformers import TrainerState

from p5rec.core.errors import UserError
from p5rec.train.callbacks.divergence import Divergence

DROPOUT = scratch(dropout=0.2)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_examples(tmp_path: Path) -> None:
    settings = config(steps=12, save_every=2, learning_rate=1e30, clip=1e30, warmup=0)
    with pytest.raises(UserError) as caught:
        train(DROPOUT, settings, tmp_path)
    message = str(caught.value)
    assert re.search(r"train, step \d+: expected a finite loss, got (nan|inf)", message), message
    assert re.search(r"examples of (next-item|rating) \d+, \d+", message), message


def test_a_run_with_exploding_loss_stops_and_names_the_first_step(tmp_path: Path) -> None:
    wild = {"steps": 60, "learning_rate": 3.0, "clip": 1e9, "warmup": 60, "save_every": 1}
    train(scratch(items="tokens"), config(**wild, diverged=0), tmp_path / "never")
    losses = curve(tmp_path / "never", "loss")["loss"]
    assert len(losses) == 60
    assert np.isfinite(losses).all()
    with pytest.raises(UserError) as caught:
        train(scratch(items="tokens"), config(**wild), tmp_path / "watched")
    message = str(caught.value)
    assert "set train.diverged to a larger factor or to 0 (never)" in message
    assert re.search(r"examples of (next-item|rating) \d+, \d+", message)
    first = int(re.search(r"train, step (\d+): expected a loss near", message)[1])
    assert len(curve(tmp_path / "watched", "loss")["loss"]) == first + 18  # the last is not logged
    assert min(losses[first - 1 : first + 19]) > 5 * np.quantile(losses[:10], 0.8)
    with pytest.raises(UserError) as caught:  # resuming from its checkpoint fails, too
        train(scratch(items="tokens"), config(**wild), tmp_path / "watched")
    assert str(caught.value) == message


def test_spikes_hard_tasks_and_slow_progress_are_no_divergence() -> None:
    rng = np.random.default_rng(0)
    spikes = np.where(np.arange(400) % 50 > 35, 90.0, 2.0)
    falls = 8 * np.exp(-np.arange(400) / 80)
    tasks = [np.where(rng.random(2000) < share, 6.0, 0.01) for share in (0.02, 0.3, 0.5, 0.9)]
    for losses in (spikes, falls, np.zeros(100), *tasks):
        watch = Divergence(5.0, str)
        for loss in losses:
            step(watch, loss)


def test_a_loss_above_the_level_for_20_steps_is_divergence() -> None:
    watch = Divergence(5.0, lambda done: f"rows after {done}")
    for loss in [2.0] * 60 + [11.0] * 19:
        step(watch, loss)
    other = Divergence(5.0, lambda done: f"rows after {done}", watch.state())  # resumed
    for again in (watch, other):
        with pytest.raises(UserError, match=r"step 61: .*\(2\), got 11 or more .*rows after 60\)"):
            step(again, 11.0, at=80)


def step(watch: Divergence, loss: float, at: int = 0) -> None:
    for fraction in (0.25, 0.75):
        watch.add(torch.tensor(loss * fraction))
    watch.on_step_end(None, TrainerState(global_step=at), None)


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), scale=SCALE)
    bundle.model.item_embeddings.register_hook(lambda gradient: gradient * np.inf)
    with pytest.raises(UserError, match=r"step 1: expected a finite gradient norm, got (nan|inf)"):
        fit_on(bundle, config(steps=3), tmp_path)
