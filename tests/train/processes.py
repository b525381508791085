"""Runs a script in two processes on the CPU that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def in_two_processes(script: str, folder: Path, *arguments: str) -> None:
    """Runs ``script``, written to ``folder``, and expects that it succeeds.

    Args:
        script: Python source; it can import the tests' modules.
        arguments: of the script.
    """
    worker = folder / "worker.py"
    worker.write_text(script)
    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "train")))
    known = {"PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*TORCHRUN, str(worker), *arguments],
        env={**os.environ, **known}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
