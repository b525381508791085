"""Checkpoints at time intervals and on interrupts, in addition to those at step intervals."""

from __future__ import annotations

import signal
from time import monotonic
from types import FrameType
from typing import Any

import torch
from accelerate.utils import broadcast
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class SaveByTime(TrainerCallback):
    """Saves a checkpoint ``minutes`` after the last one, by the clock of the first process."""

    def __init__(self, minutes: float) -> None:
        self.seconds, self.since = 60 * minutes, monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        late = monotonic() - self.since >= self.seconds
        if args.world_size > 1:  # all processes must save together
            late = bool(broadcast(torch.tensor(int(late), device=args.device)))
        control.should_save |= late

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.since = monotonic()


class Interrupt(TrainerCallback):
    """The first SIGINT (Ctrl-C) or SIGTERM finishes the step, saves a checkpoint and stops; the
    second stops at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self.previous = {number: signal.getsignal(number) for number in self.SIGNALS}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        for number in self.SIGNALS:
            signal.signal(number, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self.restore()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.requested:
            control.should_save = control.should_training_stop = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.requested and state.global_step < state.max_steps:
            raise KeyboardInterrupt

    def restore(self) -> None:
        """Restores the previous signal handlers."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)
