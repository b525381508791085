"""A run whose stages are made by several processes: figures, errors, interrupts, the end."""

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

COMMAND = [sys.executable, "-c", "from p5rec.cli.main import main; main()", "run", "sft"]
WORKER = "p5rec.pipeline.worker"


def start(mine: Mine, home: Path, out: str, jobs: int, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--config", str(mine.config), "--out", str(mine.folder / out),
         "--jobs", str(jobs), "baselines=[popularity, item-knn, ease]", *words],
        env={**os.environ, "P5REC_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def workers(parent: int) -> list[int]:
    """Worker processes that ``parent`` started, living or its zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            above = int(stat.read_text().rpartition(")")[2].split()[1])
            if above == parent and WORKER in (stat.parent / "cmdline").read_text():
                found.append(int(stat.parent.name))
        except (OSError, IndexError):
            continue
    return found


def ended(process: int) -> bool:
    """Whether a process is no more; one that nobody waited for is as good as gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def numbers(folder: Path) -> list[Any]:
    report = json.loads((folder / "report.json").read_text())
    left_out = ("train_seconds", "infer_seconds")
    return [{k: v for k, v in m.items() if k not in left_out} for m in report["methods"]]


def training(home: Path) -> bool:
    """Whether the network of :data:`LONG` has taken some steps."""
    found = list(home.glob("store/fit/.*/model/metrics.jsonl"))
    return bool(found) and len(found[0].read_text().splitlines()) > 3


LONG = ("methods.mine.train.steps=60", "methods.mine.train.batch=32")


@pytest.mark.nightly
def test_figures_do_not_depend_on_the_number_of_jobs(mine: Mine, tmp_path: Path) -> None:
    for jobs in (1, 2, 3):
        running = start(mine, tmp_path / f"home-{jobs}", f"out-{jobs}", jobs)
        said, err = running.communicate(timeout=600)
        assert running.returncode == 0, err
        lines = [line for line in said.splitlines() if ": made " in line or ": kept " in line]
        stages = [line.split(" in ")[0] for line in lines]
        assert len(stages) == len({*stages})
        assert ("jobs at a time" in said) == (jobs > 1)
    first, *others = (mine.folder / f"out-{jobs}" for jobs in (1, 2, 3))
    for other in others:
        assert numbers(first) == numbers(other)
        for name in ("lists/mine.jsonl", "models/mine/trained.safetensors", "lists/ease.jsonl"):
            assert (first / name).read_bytes() == (other / name).read_bytes()
    again = start(mine, tmp_path / "home-2", "out-2", 2)
    said, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert ": made " not in said
    assert "jobs at a time" not in said, "nothing is left to do"


@pytest.mark.nightly
def test_an_interrupt_ends_all_and_a_rerun_goes_on(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = start(mine, home, "out", 2, *LONG)
    while running.poll() is None and not training(home):
        time.sleep(0.05)
    begun = workers(running.pid)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 130, err
    ours = [line for line in err.splitlines() if line.startswith("p5rec: ")]
    assert ours == ["p5rec: interrupted; run the same command again to go on"]
    assert "Traceback" not in err
    assert begun
    assert all(map(ended, begun))
    assert list(home.glob("store/fit/.*/model/checkpoints/checkpoint-*")), "a training is saved"
    assert not (mine.folder / "out").exists()

    for place, out in ((home, "out"), (tmp_path / "whole", "whole")):
        again = start(mine, place, out, 2, *LONG)
        _, err = again.communicate(timeout=600)
        assert again.returncode == 0, err
    assert numbers(mine.folder / "out") == numbers(mine.folder / "whole")


@pytest.mark.nightly
def test_workers_end_with_a_killed_parent(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = start(mine, home, "out", 2, *LONG)
    while running.poll() is None and not training(home):
        time.sleep(0.05)
    begun = workers(running.pid)
    running.kill()
    running.communicate(timeout=600)
    assert begun
    while not all(map(ended, begun)):
        time.sleep(0.1)
    assert not list(home.glob("store/[!f]*/.*.work"))
    assert list(home.glob("store/fit/.*/model/checkpoints/checkpoint-*")), "a training is saved"


@pytest.mark.nightly
def test_an_error_in_a_worker_is_the_run_s_in_one_line(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ("methods.mine.train.learning_rate=1e30", "methods.mine.train.clip=1e30")
    running = start(mine, home, "out", 2, *LONG, *words)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 2, err
    lines = [line for line in err.splitlines() if "mine" in line or line.startswith("p5rec: ")]
    assert lines[-2] == "fit mine: failed; ending what is done beside it"
    assert lines[-1].startswith("p5rec: train, step")
    assert "Traceback" not in err
    assert not (mine.folder / "out").exists()


@pytest.mark.nightly
def test_a_killed_worker_is_told_in_one_line(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = start(mine, home, "out", 2, *LONG)
    while running.poll() is None and not training(home):
        time.sleep(0.05)
    begun = workers(running.pid)
    for worker in begun:
        os.kill(worker, signal.SIGKILL)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 2, err
    assert "fit mine: expected its process to finish, got one that was killed (SIGKILL)" in err
    assert "--jobs 1" in err
    assert all(map(ended, begun))
