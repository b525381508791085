"""All variants of a training give the losses of one uninterrupted process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import BACKBONES, curve, fit_on
from together import SETTINGS, SLOTS, STEPS, Crash, untrained, validation

from p5rec.train import schedule
from p5rec.train.config import TrainConfig

TESTS = Path(__file__).resolve().parents[1]
MODELS = ("scratch", "llama-lora", "new-t5")  # of small_runs.BACKBONES
WATCHED = ("loss", "grad_norm", "valid_log")
Curve = dict[str, list[float]]
Weights = dict[str, torch.Tensor]
ORDER = schedule.batch_order


@pytest.fixture(autouse=True)
def same_examples_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of similar length are built with the same ``batch`` for all variants."""
    monkeypatch.setattr(schedule, "batch_order", lambda t, n, _, s: ORDER(t, n, SETTINGS.batch, s))


@cache
def canonical(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS, folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canonical")


def train(model: str, settings: TrainConfig, folder: Path) -> tuple[Curve, Weights]:
    bundle = untrained(BACKBONES[model](folder / "backbone"))
    weights = fit_on(bundle, settings, folder / model, validation(bundle))
    return curve(folder / model, *WATCHED), weights


def one_batch(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"batch": SLOTS, "accumulate": 1}), folder)


def accumulation(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"batch": 1, "accumulate": SLOTS}), folder)


def gradient_checkpointing(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"gradient_checkpointing": True}), folder)


def packing(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"packing": 120}), folder)


def resume(model: str, folder: Path) -> tuple[Curve, Weights]:
    bundle = untrained(BACKBONES[model](folder / "backbone"))
    with pytest.raises(Crash):
        fit_on(bundle, SETTINGS, folder / model, validation(bundle, crash_at=8))
    return train(model, SETTINGS, folder)


def check(actual: tuple[Curve, Weights], expected: tuple[Curve, Weights]) -> None:
    curves, weights = actual
    assert len(curves["loss"]) == STEPS
    assert curves["loss"] == pytest.approx(expected[0]["loss"], rel=1e-4)
    assert curves["grad_norm"] == pytest.approx(expected[0]["grad_norm"], rel=2e-3)
    assert curves["valid_log"] == pytest.approx(expected[0]["valid_log"], rel=1e-4)
    assert weights.keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert torch.allclose(weights[name], value, atol=1e-4), name


VARIANTS = [
    (variant, model)
    for variant in (one_batch, accumulation, gradient_checkpointing, packing, resume)
    for model in MODELS
    if (variant, model) != (packing, "new-t5")  # a model with an encoder is not packed
]


@pytest.mark.parametrize(
    ("variant", "model"), VARIANTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_in_one_process(
    variant: Callable[[str, Path], tuple[Curve, Weights]], model: str, tmp_path: Path, home: Path
) -> None:
    check(variant(model, tmp_path), canonical(model, home))


def zero(stage: int) -> dict[str, Any]:
    """The threshold is 0, because all weights of a tiny model are small."""
    return {
        "zero_optimization": {"stage": stage, "stage3_param_persistence_threshold": 0},
        "zero_allow_untested_optimizer": True,
        **dict.fromkeys(
            ["gradient_accumulation_steps", "gradient_clipping", "train_micro_batch_size_per_gpu"],
            "auto",
        ),
    }


def launch(folder: Path, stage: int, *words: str) -> None:
    """Two processes on the CPU; with ZeRO if ``stage`` is not 0."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "train")])}
    environment["PYTHONPATH"] += os.pathsep + str(TESTS.parent)
    environment["OMP_NUM_THREADS"] = "1"
    if stage:
        (folder / "zero.json").write_text(json.dumps(zero(stage)))
        environment["ACCELERATE_USE_DEEPSPEED"] = "true"
        environment["ACCELERATE_DEEPSPEED_CONFIG_FILE"] = str(folder / "zero.json")
    else:
        environment["ACCELERATE_USE_CPU"] = "true"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    done = subprocess.run(
        [sys.executable, *torchrun, *words],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.nightly
@pytest.mark.parametrize(("variant", "stage"), [("DDP", 0), ("ZeRO-2", 2), ("ZeRO-3", 3)])
def test_in_two_processes(variant: str, stage: int, tmp_path: Path, home: Path) -> None:
    if stage and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed")
    launch(tmp_path, stage, str(TESTS / "train" / "together.py"), str(tmp_path), *MODELS)
    for model in MODELS:
        folder = tmp_path / model
        abouts = [json.loads((folder / f"about{rank}.json").read_text()) for rank in (0, 1)]
        for about in abouts:
            assert about["processes"] == 2
            assert about["type"] == ("DEEPSPEED" if stage else "MULTI_CPU")
            assert about["sharded"] == (stage == 3)
        slots_read = np.array([about["slots"] for about in abouts])
        assert len(set(slots_read.ravel())) == slots_read.size == STEPS * SLOTS, (
            "no slot is read twice"
        )
        for run in ("complete", "stopped"):
            one, other = (load_file(folder / f"{run}{rank}.safetensors") for rank in (0, 1))
            assert all(torch.equal(one[name], other[name]) for name in one)
            check((curve(folder / run, *WATCHED), one), canonical(model, home))
        complete = load_file(folder / "complete0.safetensors")
        assert all(torch.equal(one[name], value) for name, value in complete.items()), "resumed"
        single = untrained(BACKBONES[model](folder / "backbone"))
        settings = SETTINGS.model_copy(update={"accumulate": 1})
        fit_on(single, settings, folder / "alone", validation(single), slots=np.sort(slots_read[0]))
        losses = np.array(curve(folder / "alone", "loss")["loss"])
        assert np.abs(losses / canonical(model, home)[0]["loss"] - 1).max() > 0.01
