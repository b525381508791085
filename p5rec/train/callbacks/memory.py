"""Freed memory of a training on a CPU, returned to the system."""

from __future__ import annotations

import ctypes
import sys
from time import monotonic
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class ReturnMemory(TrainerCallback):
    """Returns what the C library has freed to the system, after a step, every ``seconds`` at most.

    Batches of ever different lengths leave holes between the tensors of earlier ones, so that a
    process grows to several times the memory that it uses. Where the C library has no
    ``malloc_trim`` (it is of glibc), nothing is done.
    """

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds, self.since = seconds, monotonic()
        linux = sys.platform == "linux"
        self.trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if linux else None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.trim is None or not args.use_cpu or monotonic() - self.since < self.seconds:
            return
        self.trim(0)
        self.since = monotonic()
