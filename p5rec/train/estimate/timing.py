"""Times a few steps of a training on this machine, with random weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from p5rec.backbones.precision import computing, dtype_of
from p5rec.core.progress import no_progress_bars
from p5rec.models.multitask import MultitaskModel

from ..alignment.objectives import supervised
from ..optimizer import make_optimizer
from ..schedule import Schedule

WARM, STEPS = 2, 8  # warm-up steps, and the maximum of different timed steps
LEAST, SECONDS = 2, 2.0  # the minimum of them, and the time after which no further one is added
ROUNDS = 3  # timings of the same work, of which the shortest counts


def step_seconds(
    model: MultitaskModel, tokenizer: PreTrainedTokenizerBase, schedule: Schedule
) -> float:
    """Seconds of a step on an idle machine: the mean of steps spread over the training.

    It trains ``model``.
    """
    config = schedule.config
    collate = schedule.collator(tokenizer.pad_token_id, model.start if model.seq2seq else None)
    optimizer = make_optimizer(model, config)

    def run(step: int) -> None:
        for slots in schedule.order[step * config.slots :][: config.slots].reshape(
            config.accumulate, -1
        ):
            with computing(dtype_of(config.precision)):
                outputs = supervised(
                    model, collate([{"slot": slot} for slot in slots]), config.divisor
                )
            outputs["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad()

    steps = np.unique(np.linspace(0, config.steps - 1, STEPS).astype(int))
    model.train()
    for step in np.resize(steps, WARM):
        run(step)
    fastest: list[float] = []
    for step in steps:
        fastest.append(_seconds_once(partial(run, step)))
        if len(fastest) >= LEAST and sum(fastest) > SECONDS:
            break
    for _ in range(ROUNDS - 1):
        for n, step in enumerate(steps[: len(fastest)]):
            fastest[n] = min(fastest[n], _seconds_once(partial(run, step)))
    model.eval()
    return float(np.mean(fastest))


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of ``work`` on an idle machine, after a first call, without progress bars."""
    with no_progress_bars():
        work()
        return min(_seconds_once(work) for _ in range(ROUNDS))


def _seconds_once(work: Callable[[], object]) -> float:
    """Processor time of this thread, which takes part in all of ``work``: other processes hardly
    change it."""
    started = time.thread_time()
    work()
    return time.thread_time() - started
