"""Shared histories in two processes against one."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import in_two_processes
from small_corpora import ITEMS, make_view
from small_runs import curve
from test_shared_histories import learner
from tiny_models import scratch, some_codes

from p5rec.train.training import train

WORKER = """
import sys
from pathlib import Path
import torch.distributed as dist
from test_shared_processes import short_training

short_training(Path(sys.argv[1]))
assert dist.get_world_size() == 2
dist.destroy_process_group()
"""


def short_training(out: Path) -> None:
    """Six steps of both tasks of histories and six prompt families."""
    settings = {"steps": 6, "log_every": 1, "precision": "float32", "accumulate": 2}
    config = learner(**settings).model_copy(update={"backbone": scratch(items="positions")})
    train(config, make_view().corpus, some_codes(ITEMS, (7, 8)), out)


@pytest.mark.nightly
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    short_training(tmp_path / "one")
    in_two_processes(WORKER, tmp_path, str(tmp_path / "two"))
    names = ("loss", "grad_norm")
    actual, expected = (curve(tmp_path / each, *names) for each in ("two", "one"))
    assert len(expected["loss"]) == 6
    for name in names:
        assert actual[name] == pytest.approx(expected[name], rel=1e-4), name
