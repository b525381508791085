"""A saved hybrid recommends without transformers and the libraries of training and reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import p5rec

UNUSED = (
    "accelerate", "bitsandbytes", "datasets", "deepspeed", "evaluate", "gguf", "matplotlib",
    "pandas", "peft", "sklearn", "tokenizers", "transformers", "trl", "p5rec.pipeline.prepared",
    "p5rec.train.training",
)  # fmt: skip
SCRIPT = f"""
import sys
import p5rec
lists = p5rec.load(sys.argv[1]).recommend(histories=[["A-1", "A-2"]], k=3)
assert len(lists) == 3
assert not (imported := [name for name in {UNUSED} if name in sys.modules]), imported
"""


def test_recommend_imports_no_trainer(hybrid: p5rec.Model, tmp_path: Path) -> None:
    hybrid.save(tmp_path / "m")
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "m")], check=True)
