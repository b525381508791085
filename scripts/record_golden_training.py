"""Writes tests/golden/train: per-step loss and gradient norm of tiny models over 30 CPU steps.

python scripts/record_golden_training.py

Run it when training is meant to change, read the difference, and say in the changelog what moved.
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

from small_runs import config, curve, train  # noqa: E402
from tiny_models import llama, save_llama, save_t5, scratch  # noqa: E402

MODELS = ("scratch", "scratch-tokens", "scratch-lora", "llama-lora", "new-t5", "t5-lora")


def trajectory(model: str) -> dict[str, list[float]]:
    """``loss`` and ``grad_norm`` of each step, on one thread: more add in another order."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if model.startswith(("scratch", "new")):
            items = "tokens" if model.endswith("tokens") else "positions"
            shape = "t5" if model.endswith("t5") else "decoder"
            backbone = scratch(lora=model.endswith("lora"), items=items, shape=shape)
        else:
            save = save_t5 if model.startswith("t5") else save_llama
            backbone = llama(save(folder / "model"), lora=True)
        train(backbone, config(), folder / "run")
        return curve(folder / "run", "loss", "grad_norm")


def main() -> None:
    """Writes a file a model."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        rounded = {k: [round(v, 5) for v in values] for k, values in trajectory(model).items()}
        (GOLDEN / f"{model}.json").write_text(json.dumps(rounded, indent=1) + "\n")
        print(GOLDEN / f"{model}.json")


if __name__ == "__main__":
    main()
