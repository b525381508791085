"""Two processes on CPU against one with twice the batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import config, curve, train
from tiny_models import scratch

from p5rec.models.checkpoint import trainable_state

TESTS = Path(__file__).resolve().parents[1]
WORKER = """
import sys
from pathlib import Path
import torch.distributed as dist
from safetensors.torch import save_file
from small_runs import config, train
from tiny_models import scratch
from p5rec.models.checkpoint import trainable_state

folder = Path(sys.argv[1])
bundle = train(scratch(), config(steps=10, batch=4, accumulate=2), folder)
assert dist.get_world_size() == 2
save_file(trainable_state(bundle.model), folder / f"rank{dist.get_rank()}.safetensors")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        str(tmp_path / "worker.py"), str(tmp_path / "two"),
    ]  # fmt: skip
    paths = os.pathsep.join([str(TESTS), str(TESTS / "train")])
    environment = {**os.environ, "PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true"}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one = train(scratch(), config(steps=10, batch=8, accumulate=2), tmp_path / "one")
    ranks = [load_file(tmp_path / "two" / f"rank{rank}.safetensors") for rank in (0, 1)]
    for name, value in trainable_state(one.model).items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name
        assert torch.allclose(ranks[0][name], value, atol=2e-3), name
    found, wanted = (curve(tmp_path / n, "loss", "grad_norm") for n in ("two", "one"))
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
    assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-3)
