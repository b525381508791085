"""One unedited recipe with every launcher: equal losses, and one model with the same key."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
RECIPE = [
    str(ROOT / "recipes/sft.py"), "--config", "tiny",
    "methods.tiny.train.steps=20", "methods.tiny.train.log_every=1", "baselines=[popularity]",
]  # fmt: skip
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def configured(name: str, *words: str) -> list[str]:
    return [*ACCELERATE, str(ROOT / "accelerate_configs" / f"{name}.yaml"), *words]


def launch(command: list[str], folder: Path, **environment: str) -> tuple[str, list[float]]:
    """The key of the trained model, and the loss of each step."""
    known = {**os.environ, "PYTHONPATH": str(ROOT), "P5REC_HOME": str(folder / "home")}
    known |= {"OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [*command, *RECIPE, "--out", str(folder / "out")],
        env=known, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (metrics,) = (folder / "home/store/fit").glob("*/model/metrics.jsonl")
    logs = map(json.loads, metrics.read_text().splitlines())
    return metrics.parents[1].name, [log["loss"] for log in logs if "loss" in log]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[float]]:
    folder = tmp_path_factory.mktemp("alone")
    return (folder, *launch(configured("cpu"), folder))


@pytest.mark.nightly
@pytest.mark.parametrize("way", ["torchrun", "zero2", "zero3"])
def test_two_processes_give_what_one_gives(
    way: str, tmp_path: Path, alone: tuple[Path, str, list[float]]
) -> None:
    if way == "torchrun":
        found = launch(TORCHRUN, tmp_path, ACCELERATE_USE_CPU="true")
    elif importlib.util.find_spec("deepspeed"):
        found = launch(configured(way, "--num_processes", "2"), tmp_path)
    else:
        pytest.skip("deepspeed is not installed")
    folder, key, losses = alone
    assert found[0] == key
    assert len(losses) == 20
    assert found[1] == pytest.approx(losses, rel=1e-4)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["manifest"]["training_processes"] == {"tiny": 2}
    weights = "out/models/tiny/trained.safetensors"
    one, two = load_file(folder / weights), load_file(tmp_path / weights)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.allclose(two[name], value, atol=1e-3), name
