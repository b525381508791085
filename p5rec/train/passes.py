"""Training by passes over the histories: batch, steps and looks follow from the data."""

from __future__ import annotations

from math import ceil

import numpy as np

from p5rec.core.types import Corpus

from .config import TrainConfig
from .windows import Windows

STEPS = 10  # a pass has at least so many: smaller logs take smaller steps
EVEN = 8  # a batch is a multiple of it where it can be, so that several processes can share it


def in_steps(config: TrainConfig, corpus: Corpus) -> TrainConfig:
    """``config`` with its ``passes``, if it has any, told in steps of this corpus.

    Raises:
        UserError: nobody has two training events.
    """
    passes = config.passes
    if passes is None:
        return config
    windows = Windows(corpus.interactions, corpus.split, config.dense, None, config.seed)
    rows, lengths = windows.epoch_rows, windows.lengths
    events = int(lengths.sum())
    taught = int(np.minimum(lengths, config.dense.asked or lengths).sum())
    batch = max(1, round(rows * min(passes.events / events, 1 / STEPS)))
    batch -= batch % EVEN if batch > EVEN else 0
    steps = ceil(rows / batch)
    return config.model_copy(
        update={
            "passes": None,
            "batch": batch,
            "accumulate": 1,
            "steps": passes.most * steps,
            "divisor": taught / steps,
            "average": passes.average * steps,
            "evaluate_every": steps,
            "patience": passes.patience,
        }
    )
