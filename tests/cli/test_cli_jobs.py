"""A run with several worker processes: results, errors, interrupts, killed processes."""

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


def start(mine: Mine, home: Path, out: str, jobs: int, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--config", str(mine.config), "--out", str(mine.folder / out),
         "--jobs", str(jobs), "baselines=[popularity, item-knn, ease]", *overrides],
        env={**os.environ, "P5REC_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def workers(parent: int) -> list[int]:
    """Ids of the worker processes of ``parent``, zombies included."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent_id = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent_id == parent and WORKER in (stat.parent / "cmdline").read_text():
                pids.append(int(stat.parent.name))
        except (OSError, IndexError):
            continue
    return pids


def ended(process: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def results(folder: Path) -> list[Any]:
    report = json.loads((folder / "report.json").read_text())
    omitted = ("train_seconds", "infer_seconds")
    return [{k: v for k, v in m.items() if k not in omitted} for m in report["methods"]]


def training(home: Path) -> bool:
    """Whether the network of :data:`LONG` has taken some steps."""
    logs = list(home.glob("store/fit/.*/model/metrics.jsonl"))
    return bool(logs) and len(logs[0].read_text().splitlines()) > 3


LONG = ("methods.mine.train.steps=60", "methods.mine.train.batch=32")


def start_training(mine: Mine, home: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A run whose network trains, and its workers."""
    running = start(mine, home, "out", 2, *LONG)
    while running.poll() is None and not training(home):
        time.sleep(0.05)
    return running, workers(running.pid)


@pytest.mark.nightly
def test_results_do_not_depend_on_the_number_of_jobs(mine: Mine, tmp_path: Path) -> None:
    for jobs in (1, 2, 3):
        running = start(mine, tmp_path / f"home-{jobs}", f"out-{jobs}", jobs)
        out, err = running.communicate(timeout=600)
        assert running.returncode == 0, err
        lines = [line for line in out.splitlines() if ": made " in line or ": cached " in line]
        stages = [line.split(" in ")[0] for line in lines]
        assert len(stages) == len({*stages})
        assert ("jobs in parallel" in out) == (jobs > 1)
    first, *others = (mine.folder / f"out-{jobs}" for jobs in (1, 2, 3))
    for other in others:
        assert results(first) == results(other)
        for name in ("lists/mine.jsonl", "models/mine/trained.safetensors", "lists/ease.jsonl"):
            assert (first / name).read_bytes() == (other / name).read_bytes()
    again = start(mine, tmp_path / "home-2", "out-2", 2)
    out, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert ": made " not in out
    assert "jobs in parallel" not in out, "every stage is cached"


@pytest.mark.nightly
def test_an_interrupt_stops_all_processes_and_a_rerun_resumes(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running, started = start_training(mine, home)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 130, err
    messages = [line for line in err.splitlines() if line.startswith("p5rec: ")]
    assert messages == ["p5rec: interrupted; run the same command again to resume"]
    assert "Traceback" not in err
    assert started
    assert all(map(ended, started))
    assert list(home.glob("store/fit/.*/model/checkpoints/checkpoint-*")), (
        "the training saved a checkpoint"
    )
    assert not (mine.folder / "out").exists()

    for store_home, out in ((home, "out"), (tmp_path / "whole", "whole")):
        again = start(mine, store_home, out, 2, *LONG)
        _, err = again.communicate(timeout=600)
        assert again.returncode == 0, err
    assert results(mine.folder / "out") == results(mine.folder / "whole")


@pytest.mark.nightly
def test_workers_end_with_a_killed_parent(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running, started = start_training(mine, home)
    running.kill()
    running.communicate(timeout=600)
    assert started
    while not all(map(ended, started)):
        time.sleep(0.1)
    assert not list(home.glob("store/[!f]*/.*.work"))
    assert list(home.glob("store/fit/.*/model/checkpoints/checkpoint-*")), (
        "the training saved a checkpoint"
    )


@pytest.mark.nightly
def test_a_user_error_in_a_worker_is_one_line(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    overrides = ("methods.mine.train.learning_rate=1e30", "methods.mine.train.clip=1e30")
    running = start(mine, home, "out", 2, *LONG, *overrides)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 2, err
    lines = [line for line in err.splitlines() if "mine" in line or line.startswith("p5rec: ")]
    assert lines[-2] == "fit mine: failed; stopping the other jobs"
    assert lines[-1].startswith("p5rec: train, step")
    assert "Traceback" not in err
    assert not (mine.folder / "out").exists()


@pytest.mark.nightly
def test_a_killed_worker_is_one_line(mine: Mine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running, started = start_training(mine, home)
    for worker in started:
        os.kill(worker, signal.SIGKILL)
    _, err = running.communicate(timeout=600)
    assert running.returncode == 2, err
    assert "fit mine: expected its process to finish, got one that was killed (SIGKILL)" in err
    assert "--jobs 1" in err
    assert all(map(ended, started))
