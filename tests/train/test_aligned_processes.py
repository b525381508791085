"""Alignment in two processes on CPU against one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import curve
from test_alignment import OBJECTIVES, World, method

from p5rec.train.training import train

TESTS = Path(__file__).resolve().parents[1]
WORKER = """
import sys
from pathlib import Path
import torch.distributed as dist
from test_aligned_processes import align

align(Path(sys.argv[1]), Path(sys.argv[2]))
assert dist.get_world_size() == 2
dist.destroy_process_group()
"""


def align(given: Path, out: Path) -> None:
    """Six steps of each objective from what ``given`` holds."""
    world = World("markov", given / "store")
    for name, settings in OBJECTIVES.items():
        config = method(6, 1e-3, align=settings, log_every=1)
        paths = {"start": given / "start", "pairs": given / "pairs"}
        train(config, world.corpus, world.codes, out / name, **paths)


@pytest.mark.nightly
def test_two_processes_align_as_one(tmp_path: Path) -> None:
    world = World("markov", tmp_path / "store")
    taught = world.teach(method(10))
    config = method(6, 1e-3, align=OBJECTIVES["sdpo"])
    world.teach(config, taught)
    (pairs,) = (world.store.root / "pairs").glob("[!.]*")
    (tmp_path / "start").symlink_to(taught.trained)
    (tmp_path / "pairs").symlink_to(pairs)
    align(tmp_path, tmp_path / "one")
    (tmp_path / "worker.py").write_text(WORKER)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        str(tmp_path / "worker.py"), str(tmp_path), str(tmp_path / "two"),
    ]  # fmt: skip
    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "train")))
    environment = {**os.environ, "PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true"}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in OBJECTIVES:
        found, wanted = (curve(tmp_path / n / name, "loss", "grad_norm") for n in ("two", "one"))
        assert len(wanted["loss"]) == 6
        assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-3, abs=1e-6)
        assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-2)
