"""Writes tests/golden/train: per-step loss and gradient norm of tiny models over ten CPU steps.

python scripts/record_golden_training.py

Run it if training is meant to change, review the differences, and list them in the changelog.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "train"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "train")]

from small_runs import BACKBONES, config, curve, train  # noqa: E402


def trajectory(model: str, rate: float = 0.001) -> dict[str, list[float]]:
    """``loss`` and ``grad_norm`` of each step, on one thread, so the order of sums is fixed.

    Steps are few and small, because every step amplifies the rounding differences of processors.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(
            BACKBONES[model](folder / "model"), config(steps=10, learning_rate=rate), folder / "run"
        )
        return curve(folder / "run", "loss", "grad_norm")


def main() -> None:
    """Writes one file per model."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for model in BACKBONES:
        rounded = {k: [round(v, 5) for v in values] for k, values in trajectory(model).items()}
        (GOLDEN / f"{model}.json").write_text(json.dumps(rounded, indent=1) + "\n")
        print(GOLDEN / f"{model}.json")


if __name__ == "__main__":
    main()
