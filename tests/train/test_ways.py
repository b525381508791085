"""Whichever way a recipe is trained, it gives the losses of one process that never stops."""

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
from small_runs import BACKBONES, curve, fit_rows
from together import ROWS, SETTINGS, STEPS, Crash, asking, fresh

from p5rec.train import schedule
from p5rec.train.config import TrainConfig

TESTS = Path(__file__).resolve().parents[1]
MODELS = ("scratch", "llama-lora", "new-t5")  # of small_runs.BACKBONES
WATCHED = ("loss", "grad_norm", "valid_log")
Curve = dict[str, list[float]]
Weights = dict[str, torch.Tensor]
ORDER = schedule.batch_order


@pytest.fixture(autouse=True)
def the_same_rows_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of like length are made of ``batch`` rows, whatever ``batch`` a way uses."""
    monkeypatch.setattr(schedule, "batch_order", lambda t, n, _, s: ORDER(t, n, SETTINGS.batch, s))


@cache
def canonical(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS, folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canonical")


def train(model: str, settings: TrainConfig, folder: Path) -> tuple[Curve, Weights]:
    bundle = fresh(BACKBONES[model](folder / "backbone"))
    weights = fit_rows(bundle, settings, folder / model, asking(bundle))
    return curve(folder / model, *WATCHED), weights


def one_pass(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"batch": ROWS, "accumulate": 1}), folder)


def accumulation(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"batch": 1, "accumulate": ROWS}), folder)


def gradient_checkpointing(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"gradient_checkpointing": True}), folder)


def packing(model: str, folder: Path) -> tuple[Curve, Weights]:
    return train(model, SETTINGS.model_copy(update={"packing": 120}), folder)


def resume(model: str, folder: Path) -> tuple[Curve, Weights]:
    bundle = fresh(BACKBONES[model](folder / "backbone"))
    with pytest.raises(Crash):
        fit_rows(bundle, SETTINGS, folder / model, asking(bundle, crash_at=8))
    return train(model, SETTINGS, folder)


def check(found: tuple[Curve, Weights], wanted: tuple[Curve, Weights]) -> None:
    curves, weights = found
    assert len(curves["loss"]) == STEPS
    assert curves["loss"] == pytest.approx(wanted[0]["loss"], rel=1e-4)
    assert curves["grad_norm"] == pytest.approx(wanted[0]["grad_norm"], rel=2e-3)
    assert curves["valid_log"] == pytest.approx(wanted[0]["valid_log"], rel=1e-4)
    assert weights.keys() == wanted[1].keys()
    for name, value in wanted[1].items():
        assert torch.allclose(weights[name], value, atol=1e-4), name


WAYS = [
    (way, model)
    for way in (one_pass, accumulation, gradient_checkpointing, packing, resume)
    for model in MODELS
    if (way, model) != (packing, "new-t5")  # a model with an encoder is not packed
]


@pytest.mark.parametrize(
    ("way", "model"), WAYS, ids=lambda value: getattr(value, "__name__", value)
)
def test_in_one_process(
    way: Callable[[str, Path], tuple[Curve, Weights]], model: str, tmp_path: Path, home: Path
) -> None:
    check(way(model, tmp_path), canonical(model, home))


def zero(stage: int) -> dict[str, Any]:
    """So small a model is in pieces only where none of its weights is too small to be cut."""
    return {
        "zero_optimization": {"stage": stage, "stage3_param_persistence_threshold": 0},
        "zero_allow_untested_optimizer": True,
        **dict.fromkeys(
            ["gradient_accumulation_steps", "gradient_clipping", "train_micro_batch_size_per_gpu"],
            "auto",
        ),
    }


def launch(folder: Path, stage: int, *words: str) -> None:
    """Two processes on the CPU; under ZeRO where ``stage`` is not 0."""
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
@pytest.mark.parametrize(("way", "stage"), [("DDP", 0), ("ZeRO-2", 2), ("ZeRO-3", 3)])
def test_in_two_processes(way: str, stage: int, tmp_path: Path, home: Path) -> None:
    if stage and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed")
    launch(tmp_path, stage, str(TESTS / "train" / "together.py"), str(tmp_path), *MODELS)
    for model in MODELS:
        folder = tmp_path / model
        abouts = [json.loads((folder / f"about{rank}.json").read_text()) for rank in (0, 1)]
        for about in abouts:
            assert about["world"] == 2
            assert about["type"] == ("DEEPSPEED" if stage else "MULTI_CPU")
            assert about["pieces"] == (stage == 3)
        read = np.array([about["read"] for about in abouts])
        assert len(set(read.ravel())) == read.size == STEPS * ROWS, "no row is read twice"
        for run in ("whole", "stopped"):
            one, other = (load_file(folder / f"{run}{rank}.safetensors") for rank in (0, 1))
            assert all(torch.equal(one[name], other[name]) for name in one)
            check((curve(folder / run, *WATCHED), one), canonical(model, home))
        whole = load_file(folder / "whole0.safetensors")
        assert all(torch.equal(one[name], value) for name, value in whole.items()), "resumed"
        alone = fresh(BACKBONES[model](folder / "backbone"))
        settings = SETTINGS.model_copy(update={"accumulate": 1})
        fit_rows(alone, settings, folder / "alone", asking(alone), slots=np.sort(read[0]))
        losses = np.array(curve(folder / "alone", "loss")["loss"])
        assert np.abs(losses / canonical(model, home)[0]["loss"] - 1).max() > 0.01
