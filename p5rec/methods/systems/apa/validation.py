"""What adaptive weights rest on: embeddings of the validation examples, and errors of an adapter.

V validation examples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from p5rec.backbones.adapter_bank import stacked
from p5rec.core.artefacts import Lineage

from ...arrays import save_arrays
from ...baselines.fitting import seeded
from ...needs import Inputs
from .examples import Examples
from .reading import open_reader
from .settings import ADAPTER, EMBEDDINGS, ERRORS, VALIDATION, ApaSettings
from .stored import LABELS, PROMPTS, prompt_hashes, read_adapter


def write_embeddings(method: ApaSettings, seed: int, inputs: Inputs, folder: Path) -> Lineage:
    """Writes the embeddings, hashes and labels of the validation prompts.

    Args:
        method: the settings.
        seed: of random weights.
        inputs: the folder of the validation examples.
        folder: receives them.

    Returns:
        No events: validation events are no training events. The examples have their keys.
    """
    examples = Examples.read(inputs[VALIDATION])
    with seeded(seed, "apa"):
        reader = open_reader(method, seed, download=True)
        embeddings = reader.embeddings(reader.tokens(examples.prompts))
    about = {PROMPTS: prompt_hashes(examples.prompts), LABELS: examples.labels}
    save_arrays(folder, {EMBEDDINGS: embeddings, **about})
    return Lineage.none()


def write_errors(method: ApaSettings, seed: int, inputs: Inputs, folder: Path) -> Lineage:
    """Writes the errors ``(V,)`` of an adapter: the distance of its probability from the label.

    The paper's equation 7 averages "prediction errors" and does not say of which kind.

    Args:
        method: the settings.
        seed: of random weights.
        inputs: the folders of the validation examples and of the adapter.
        folder: receives them.

    Returns:
        The training events of the adapter.
    """
    examples = Examples.read(inputs[VALIDATION])
    arrays, lineage = read_adapter(inputs[ADAPTER])
    with seeded(seed, "apa"):
        state = {name: torch.from_numpy(each) for name, each in arrays.items()}
        reader = open_reader(method, seed, stacked([state]), download=True)
        weights = np.ones((len(examples), 1), np.float32)
        yes = reader.yes(reader.tokens(examples.prompts), weights)
    save_arrays(folder, {ERRORS: np.abs(examples.labels - yes).astype(np.float32)})
    return lineage
