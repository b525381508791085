"""Gathers the adapters, which other stages trained, into one model. K adapters."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage

from ...arrays import load_arrays, save_arrays
from ...needs import Inputs
from .settings import ADAPTER, EMBEDDINGS, ERRORS, ApaSettings
from .stored import BANK, SEED, TEMPERATURE, read_adapter, read_errors
from .weights import choose_temperature, neighbours_of


def fit(method: ApaSettings, folder: Path, seed: int, inputs: Inputs) -> Lineage:
    """Writes the stacked adapters, and what adaptive weights rest on.

    Args:
        method: the settings.
        folder: receives the model.
        seed: of random weights.
        inputs: the adapters, and for adaptive weights their errors and the embeddings.

    Returns:
        The training events of all adapters.
    """
    read = [read_adapter(inputs[f"{ADAPTER}-{n}"]) for n in method.adapters]
    states = [state for state, _ in read]
    arrays = {BANK + name: np.stack([state[name] for state in states]) for name in states[0]}
    if method.adapts:
        errors = [read_errors(inputs[f"{ERRORS}-{n}"]) for n in method.adapters]
        arrays |= {ERRORS: np.stack(errors, axis=1), **load_arrays(inputs[EMBEDDINGS])}
        chosen = method.temperature
        if chosen is None:
            chosen = choose_temperature(neighbours_of(arrays), method.neighbours)
        arrays[TEMPERATURE] = np.array([chosen])
    save_arrays(folder, {SEED: np.array([seed]), **arrays})
    return reduce(or_, (lineage for _, lineage in read))
