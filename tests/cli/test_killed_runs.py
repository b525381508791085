"""kill -9 at any moment of a run, artefacts deleted, two runs at once: the results are the
same, and nothing is left over."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_run import run
from my_folder import Mine, Trained, files

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["killed_run"])
SAME = ("models/mine/trained.safetensors", "lists/mine.jsonl", "lists/popularity.jsonl")


def start(mine: Mine, name: str, home: Path) -> BaseProcess:
    log = mine.folder / f"{name}.txt"
    process = SERVER.Process(target=run, args=(mine.config, mine.folder / name, home, log))
    process.start()
    return process


def ended(process: BaseProcess, mine: Mine, name: str) -> str:
    """The output of the run, which must succeed."""
    process.join(120)
    said = (mine.folder / f"{name}.txt").read_text()
    assert process.exitcode == 0, said[-3000:]
    return said


def numbers(folder: Path) -> list[Any]:
    report = json.loads((folder / "report.json").read_text())
    left_out = ("train_seconds", "infer_seconds")
    return [{k: v for k, v in m.items() if k not in left_out} for m in report["methods"]]


def equal(one: Path, other: Path) -> None:
    assert numbers(one) == numbers(other)
    for name in SAME:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def only_finished(home: Path) -> None:
    left = [path for path in home.glob("store/*/*") if path.name.startswith(".")]
    assert not left
    assert all((path / "manifest.json").is_file() for path in home.glob("store/[!.]*/*"))


QUIET = ("trial", "model")  # stages without a line


@pytest.fixture(scope="module")
def seconds(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The time of a run with loaded libraries."""
    home, mine = tmp_path_factory.mktemp("timed"), Mine(trained.folder)
    ended(start(mine, "first", home), mine, "first")
    shutil.rmtree(home)
    begun = time.monotonic()
    ended(start(mine, "timed", home), mine, "timed")
    return time.monotonic() - begun


def kill(mine: Mine, home: Path, times: int, seconds: float) -> list[float]:
    """Kills runs at random moments, each later than the one before was."""
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    moments = list(rng.uniform(0, seconds, times))
    for moment in moments:
        process = start(mine, "killed", home)
        process.join(moment)
        process.kill()
        process.join()
    return moments


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.nightly)])
def test_a_killed_run_ends_like_an_uninterrupted_one(
    p5rec: Any, trained: Trained, home: Path, rounds: int, seconds: float
) -> None:
    mine = Mine(trained.folder)
    for _ in range(rounds):
        moments = kill(mine, home, 5, seconds)
        print("killed after", moments)
        ended(start(mine, "killed", home), mine, "killed")
        equal(mine.folder / "killed", mine.folder / "timed")
        p5rec("cache", "prune", "--delete")
        only_finished(home)
        shutil.rmtree(home)
        shutil.rmtree(mine.folder / "killed")


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.nightly)])
def test_two_runs_at_once_make_each_stage_once(
    p5rec: Any, trained: Trained, home: Path, rounds: int, seconds: float
) -> None:
    mine = Mine(trained.folder)
    for n in range(rounds):
        names = (f"one{n}", f"other{n}")
        running = [start(mine, name, home) for name in names]
        said = [ended(process, mine, name) for process, name in zip(running, names, strict=True)]
        made = [
            line.split(":")[0] for text in said for line in text.splitlines() if ": made" in line
        ]
        stages = home.glob("store/[!.]*/[!.]*")
        assert len(made) == sum(path.parent.name not in QUIET for path in stages)
        equal(mine.folder / names[0], mine.folder / names[1])
        equal(mine.folder / names[0], mine.folder / "timed")
        only_finished(home)
        shutil.rmtree(home)


DELETED = {
    "report": ("report.html", "report.json", "lists"),
    "ids": ("codes.json",),
    "data": ("events", "items"),
    "fit": (
        "model/model.safetensors",
        "model/trained.safetensors",
        "model/codes/codes.json",
        "model/metrics.jsonl",
    ),
    "model": ("model", "model/config.json", "model/codes"),
    "predictions": ("about.json",),
}


@pytest.mark.parametrize(("stage", "part"), [(s, p) for s, names in DELETED.items() for p in names])
def test_deleted_artefacts_are_made_again(
    p5rec: Any, trained: Trained, home: Path, stage: str, part: str
) -> None:
    shutil.copytree(trained.folder / "home", home)
    folders = sorted(home.glob(f"store/{stage}/[!.]*"))
    folder = next(path for path in folders if (path / part).exists())
    before = {path.relative_to(home) for path in files(home)}
    gone = folder / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    code, said, err = p5rec("run", "sft", "--config", trained.config, "--out", "out")
    assert code == 0, err
    lines = [line for line in said.splitlines() if "is missing or damaged; recomputing" in line]
    if stage != "model":  # a stage without a line
        assert len(lines) == 1
        assert re.match(rf"{stage}( [\w-]+)?: {part}", lines[0])
    assert {path.relative_to(home) for path in files(home) if ".run" not in str(path)} == {
        path for path in before if ".run" not in str(path)
    }
    equal(Path("out"), trained.out)
