"""Ctrl-C during training in a separate process; the repeated command has the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine

STEPS = 60


def start(mine: Mine, home: Path, out: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from p5rec.cli.main import main; main()", "run", "sft"]
    settings = [f"methods.mine.train.steps={STEPS}", "methods.mine.train.batch=32"]
    return subprocess.Popen(
        [*command, "--config", str(mine.config), "--out", str(mine.folder / out), *settings],
        env={**os.environ, "P5REC_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def steps_logged(home: Path) -> int:
    found = list(home.glob("store/fit/.*/model/metrics.jsonl"))
    return len(found[0].read_text().splitlines()) if found else 0


def numbers(folder: Path) -> list[Any]:
    report = json.loads((folder / "report.json").read_text())
    left_out = ("train_seconds", "infer_seconds")
    return [{k: v for k, v in m.items() if k not in left_out} for m in report["methods"]]


@pytest.mark.nightly
def test_an_interrupted_run_ends_as_an_uninterrupted_one(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "interrupted"
    running = start(mine, home, "out")
    while running.poll() is None and steps_logged(home) < 3:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    ours = [line for line in err.splitlines() if "p5rec" in line]
    assert ours == ["p5rec: interrupted; run the same command again to resume"]
    assert "Traceback" not in err
    stopped = steps_logged(home)
    assert 3 <= stopped < STEPS
    assert not (mine.folder / "out").exists()
    assert not list(home.glob("store/fit/[!.]*/model/metrics.jsonl"))

    again = start(mine, home, "out")
    said, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert [line.count(": cached ") for line in said.splitlines()[:4]] == [1, 1, 1, 0]
    first_bar = next(line for line in err.split("\r") if "step/s" in line)
    assert f"| {stopped}/{STEPS} [" in first_bar, "training resumes where it stopped"

    whole = start(mine, tmp_path / "whole", "whole")
    _, err = whole.communicate(timeout=120)
    assert whole.returncode == 0, err
    assert numbers(mine.folder / "out") == numbers(mine.folder / "whole")
    for name in ("models/mine/trained.safetensors", "lists/mine.jsonl"):
        first, second = (mine.folder / run / name for run in ("out", "whole"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.nightly
def test_an_interrupt_before_training_leaves_nothing(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = start(mine, home, "out")
    while running.poll() is None and not (home / "store" / "data").is_dir():
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert (running.returncode, err.strip().splitlines()[-1].count("interrupted")) == (130, 1), err
    assert "Traceback" not in err
    assert not list(home.glob("store/[!f]*/.*"))  # training keeps its checkpoints
    assert not (mine.folder / "out").exists()
