"""A run that is killed (kill -9) repeatedly ends with the same weights."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from killed import STEPS, run
from safetensors.torch import load_file
from small_runs import curve

KILLS = 5
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["killed"])  # the libraries are loaded once


def start(folder: Path) -> BaseProcess:
    folder.mkdir(exist_ok=True)
    process = SERVER.Process(target=run, args=(folder,))
    process.start()
    return process


def steps_done(folder: Path) -> int:
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b'"loss"') if metrics.exists() else 0


@pytest.mark.nightly
def test_five_times_killed_equals_never_stopped(tmp_path: Path) -> None:
    """Every other kill is during the writing of a checkpoint, the others at any time."""
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    killed, uninterrupted = tmp_path / "killed", tmp_path / "whole"
    writing, left = killed / "checkpoints" / ".writing", []
    reached = sorted(rng.choice(np.arange(2, STEPS - 4), KILLS, replace=False))
    for n, step in enumerate(reached):
        process = start(killed)
        while steps_done(killed) < step or (n % 2 and not writing.exists()):
            assert process.is_alive(), (killed / "log.txt").read_text()[-3000:]
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.005 if n % 2 else 0.05))
        process.kill()
        process.join()
        assert process.exitcode == -9, "it was still running"
        left.append(writing.exists())
    for folder in (killed, uninterrupted):
        process = start(folder)
        process.join()
        assert process.exitcode == 0, (folder / "log.txt").read_text()[-3000:]
    actual, expected = (load_file(f / "weights.safetensors") for f in (killed, uninterrupted))
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(actual[name], value), f"{name}, killed at steps {reached}, {left}"
    assert curve(killed, "loss") == curve(uninterrupted, "loss")
    assert not writing.exists()
