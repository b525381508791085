"""Trains a tiny model with dropout, resumes from checkpoints, and saves its weights."""

import os
from pathlib import Path

from safetensors.torch import save_file
from small_runs import SCALE, config, fit_on
from tiny_models import make_bundle, scratch, some_codes

STEPS = 40


def run(folder: Path) -> None:
    """The complete run, in a process that tests kill."""
    with open(folder / "log.txt", "ab", buffering=0) as log:
        os.dup2(log.fileno(), 2)
    bundle = make_bundle(scratch(dropout=0.2), some_codes(), std=0.0, scale=SCALE)
    state = fit_on(bundle, config(steps=STEPS, save_every=2), folder)
    save_file(state, folder / "weights.safetensors")
