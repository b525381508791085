"""How fast this machine trains a model, by a few of the training's own steps on drawn weights."""

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

WARM, STEPS = 3, 24  # steps that are made first, and that are timed at most
LEAST, SECONDS = 4, 5.0  # so many steps are timed in any case, and no more after so long


def step_seconds(
    model: MultitaskModel, tokenizer: PreTrainedTokenizerBase, schedule: Schedule
) -> float:
    """Seconds of a step: the mean of some that are spread over the training. ``model`` learns."""
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
                found = supervised(
                    model, collate([{"slot": slot} for slot in slots]), config.divisor
                )
            found["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad()
        spent.append(time.perf_counter() - started)
        if len(spent) >= WARM + LEAST and sum(spent) > SECONDS:
            break
    model.eval()
    return float(np.mean(spent[WARM:]))


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes, once it has been done before; it draws no bars."""
    with no_progress_bars():
        work()
        started = time.perf_counter()
        work()
    return time.perf_counter() - started
