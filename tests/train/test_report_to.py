"""Experiment trackers receive every log and do not change training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from small_runs import config, curve, same, train
from tiny_models import scratch
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from p5rec.core.errors import UserError
from p5rec.methods.checks import check_methods
from p5rec.methods.generative.method import Generative
from p5rec.train import config as module
from p5rec.train.config import TrainConfig

Sent = dict[str, list[dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The logs sent to every tracker, all of them installed."""
    logs_by_tracker: Sent = {}

    def tracker(name: str) -> type[TrainerCallback]:
        class Tracker(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
                logs_by_tracker.setdefault(name, []).append({"step": state.global_step, **logs})

        return Tracker

    trackers = {name: tracker(name) for name in integration_utils.INTEGRATION_TO_CALLBACK}
    monkeypatch.setattr(integration_utils, "INTEGRATION_TO_CALLBACK", trackers)
    monkeypatch.setattr("transformers.integrations.is_kubeflow_available", lambda: True)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    return logs_by_tracker


def test_a_tracker_gets_every_log_and_changes_nothing(sent: Sent, tmp_path: Path) -> None:
    untracked = train(scratch(), config(steps=3), tmp_path / "untracked")
    assert not sent
    tracked = train(scratch(), config(steps=3, report_to=("wandb", "mlflow")), tmp_path / "tracked")
    assert sent.keys() == {"wandb", "mlflow"}
    losses = [log["loss"] for log in sent["wandb"] if "loss" in log]
    assert losses == curve(tmp_path / "tracked", "loss")["loss"]
    assert len(losses) == 3
    assert same(untracked, tracked)


def test_a_missing_tracker_is_an_error_before_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    settings = config(steps=3, report_to=("tensorboard",))
    line = "train.report_to: expected an installed tracker, got 'tensorboard'; `pip install"
    with pytest.raises(UserError, match=f"^methods.one.{line}"):
        check_methods({"one": Generative(train=settings)}, {})
    with pytest.raises(UserError, match=f"^{line}"):
        train(scratch(), settings, tmp_path)
    assert not list(tmp_path.iterdir())


def test_tensorboardx_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: name == "tensorboardX" or None)
    assert TrainConfig(report_to=("tensorboard",)).missing_trackers() == []


def test_unknown_trackers_are_refused() -> None:
    with pytest.raises(ValidationError, match="tensorboard"):
        TrainConfig(report_to=("abacus",))  # type: ignore[arg-type]
