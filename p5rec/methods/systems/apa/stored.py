"""The files of APA's stages and of its model, as arrays. V validation examples."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage

from ...arrays import load_arrays
from .settings import ERRORS

EVENTS = "events"  # of an adapter: the keys of its training events
PROMPTS, LABELS = "prompts", "labels"  # of the embeddings: hashes of the prompts, and labels
# of a model: the seed, the prefix of the stacked adapters, and the temperature
SEED, BANK, TEMPERATURE = "seed", "bank.", "temperature"


def read_adapter(folder: Path) -> tuple[dict[str, np.ndarray], Lineage]:
    """The matrices that :func:`.training.train_adapter` saved, and the events that they depend
    on."""
    arrays = load_arrays(folder)
    return arrays, Lineage(arrays.pop(EVENTS))


def read_errors(folder: Path) -> np.ndarray:
    """``(V,)`` the errors that :func:`.validation.write_errors` wrote."""
    errors: np.ndarray = load_arrays(folder)[ERRORS]
    return errors


def read_temperature(model: Path) -> float:
    """The temperature of adaptive weights in the folder of a model."""
    return float(load_arrays(model)[TEMPERATURE][0])


def prompt_hashes(prompts: Sequence[str]) -> np.ndarray:
    """``(B,)`` uint64: a hash of each prompt."""
    hashes = (blake2b(prompt.encode(), digest_size=8).digest() for prompt in prompts)
    return np.frombuffer(b"".join(hashes), dtype="<u8").astype(np.uint64)
