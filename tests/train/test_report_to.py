"""Experiment trackers: they get every log where they are asked for, and shape nothing."""

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
    """What every tracker there is was sent, all of them installed and in reach."""
    found: Sent = {}

    def tracker(name: str) -> type[TrainerCallback]:
        class Tracker(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
                found.setdefault(name, []).append({"step": state.global_step, **logs})

        return Tracker

    trackers = {name: tracker(name) for name in integration_utils.INTEGRATION_TO_CALLBACK}
    monkeypatch.setattr(integration_utils, "INTEGRATION_TO_CALLBACK", trackers)
    monkeypatch.setattr("transformers.integrations.is_kubeflow_available", lambda: True)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    return found


def test_a_tracker_gets_every_log_and_changes_nothing(sent: Sent, tmp_path: Path) -> None:
    alone = train(scratch(), config(steps=3), tmp_path / "alone")
    assert not sent
    tracked = train(scratch(), config(steps=3, report_to=("wandb", "mlflow")), tmp_path / "tracked")
    assert sent.keys() == {"wandb", "mlflow"}
    losses = [log["loss"] for log in sent["wandb"] if "loss" in log]
    assert losses == curve(tmp_path / "tracked", "loss")["loss"]
    assert len(losses) == 3
    assert same(alone, tracked)


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    settings = config(steps=3, report_to=("tensorboard",))
    line = "train.report_to: expected an installed tracker, got 'tensorboard'; `pip install"
    with pytest.raises(UserError, match=f"^methods.one: {line}"):
        check_methods({"one": Generative(train=settings)}, {})
    with pytest.raises(UserError, match=f"^{line}"):
        train(scratch(), settings, tmp_path)
    assert not list(tmp_path.iterdir())


def test_tensorboard_s_other_package_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: name == "tensorboardX" or None)
    TrainConfig(report_to=("tensorboard",)).check_trackers()


def test_trackers_have_names() -> None:
    with pytest.raises(ValidationError, match="tensorboard"):
        TrainConfig(report_to=("abacus",))  # type: ignore[arg-type]
