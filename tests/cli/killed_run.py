"""A run of the recipe in a process that a test kills; its libraries load once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import p5rec.cli.run
import p5rec.report.publish
import p5rec.train.training  # noqa: F401
from p5rec.cli.main import main


def run(config: Path, out: Path, home: Path, log: Path) -> None:
    """``p5rec run sft --config CONFIG --out OUT`` with a separate cache."""
    with open(log, "ab", buffering=0) as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    os.environ["P5REC_HOME"] = str(home)
    os.chdir(config.parent)
    sys.argv = ["p5rec", "run", "sft", "--config", str(config), "--out", str(out)]
    sys.argv.append("methods.mine.train.save_every=1")
    main()
