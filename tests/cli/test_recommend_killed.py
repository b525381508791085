"""kill -9 of ``p5rec recommend`` at any moment: the same command resumes with the same lists."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from killed_recommend import SHARD, run
from my_folder import USERS, Trained

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["killed_recommend"])  # the libraries are loaded once
PAUSE = 0.02  # seconds for each shard, so that kills hit between shards


def shards_in(folder: Path) -> int:
    """The number of shards; the folder may vanish when the output is complete."""
    try:
        return sum(name.endswith(".parquet") for name in os.listdir(folder))
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.nightly)])
def test_killed_at_random_moments_it_ends_with_the_same_lists(
    trained: Trained, tmp_path: Path, kills: int
) -> None:
    rng = np.random.default_rng(kills)

    def start(out: Path, pause: float) -> BaseProcess:
        words = ["recommend", "--model", trained.model, "--config", trained.config]
        words += ["--out", out / "a.parquet", "--out", out / "a.jsonl"]
        given = (list(map(str, words)), trained.folder / "home", tmp_path / "log.txt", pause)
        process = SERVER.Process(target=run, args=given)
        process.start()
        return process

    def finish(out: Path) -> dict[str, bytes]:
        process = start(out, 0)
        process.join()
        assert process.exitcode == 0, (tmp_path / "log.txt").read_text()[-3000:]
        return {path.name: path.read_bytes() for path in out.iterdir()}

    wanted = finish(tmp_path / "whole")
    assert set(wanted) == {"a.parquet", "a.jsonl", "a.parquet.manifest.json"}
    done = 0
    while done < kills:
        out = tmp_path / f"killed{done}"
        while done < kills:  # until one run of these gets to its end
            process = start(out, PAUSE)
            folder = out / ".a.parquet.shards"
            reached = shards_in(folder)
            later = reached + rng.integers(0, 4)
            while process.is_alive() and shards_in(folder) < later:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 2 * PAUSE))
            process.kill()
            process.join()
            done += process.exitcode == -9
            if process.exitcode == 0 or later * SHARD >= USERS:
                break
        assert finish(out) == wanted
