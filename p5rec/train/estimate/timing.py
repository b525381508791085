"""Times a few steps of a training on this machine, with random weights."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from p5rec.core.progress import no_progress_bars
from p5rec.models.multitask import MultitaskModel

from ..alignment.objectives import supervised
from ..optimizer import make_optimizer
from ..schedule import Schedule

WARM, STEPS = 3, 24  # warm-up steps, and the maximum of timed steps
LEAST, SECONDS = 4, 5.0  # the minimum of timed steps, and the time after which timing ends


def step_seconds(
    model: MultitaskModel, tokenizer: PreTrainedTokenizerBase, schedule: Schedule
) -> float:
    """Seconds of a step: the mean of steps spread over the training. It trains ``model``."""
    config = schedule.config
    collate = schedule.collator(tokenizer.pad_token_id, model.start if model.seq2seq else None)
    optimizer = make_optimizer(model, config)
    steps = np.unique(np.linspace(0, config.steps - 1, WARM + STEPS).astype(int))
    spent: list[float] = []
    model.train()
    for step in np.resize(steps, WARM + max(LEAST, len(steps) - WARM)):
        started = time.perf_counter()
        for slots in schedule.order[step * config.slots :][: config.slots].reshape(
            config.accumulate, -1
        ):
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
                outputs = supervised(
                    model, collate([{"slot": slot} for slot in slots]), config.divisor
                )
            outputs["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad()
        spent.append(time.perf_counter() - started)
        if len(spent) >= WARM + LEAST and sum(spent) > SECONDS:
            break
    model.eval()
    return float(np.mean(spent[WARM:]))


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of ``work``, after a first call, without progress bars."""
    with no_progress_bars():
        work()
        started = time.perf_counter()
        work()
    return time.perf_counter() - started
