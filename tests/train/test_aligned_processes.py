"""Alignment in two processes on CPU against one."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import in_two_processes
from small_runs import curve
from test_alignment import OBJECTIVES, Setup, method

from p5rec.train.training import train

WORKER = """
import sys
from pathlib import Path
import torch.distributed as dist
from test_aligned_processes import align

align(Path(sys.argv[1]), Path(sys.argv[2]))
assert dist.get_world_size() == 2
dist.destroy_process_group()
"""


def align(source: Path, out: Path) -> None:
    """Six steps of each objective from the model and pairs in ``source``."""
    setup = Setup("markov", source / "store")
    for name, settings in OBJECTIVES.items():
        config = method(6, 1e-3, align=settings, log_every=1)
        paths = {"start": source / "start", "pairs": source / "pairs"}
        train(config, setup.corpus, setup.codes, out / name, **paths)


@pytest.mark.nightly
def test_two_processes_align_as_one(tmp_path: Path) -> None:
    setup = Setup("markov", tmp_path / "store")
    pretrained = setup.fit_method(method(10))
    config = method(6, 1e-3, align=OBJECTIVES["sdpo"])
    setup.fit_method(config, pretrained)
    (pairs,) = (setup.store.root / "pairs").glob("[!.]*")
    (tmp_path / "start").symlink_to(pretrained.trained)
    (tmp_path / "pairs").symlink_to(pairs)
    align(tmp_path, tmp_path / "one")
    in_two_processes(WORKER, tmp_path, str(tmp_path), str(tmp_path / "two"))
    for name in OBJECTIVES:
        actual, expected = (curve(tmp_path / n / name, "loss", "grad_norm") for n in ("two", "one"))
        assert len(expected["loss"]) == 6
        assert actual["loss"] == pytest.approx(expected["loss"], rel=1e-3, abs=1e-6)
        assert actual["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-2)
