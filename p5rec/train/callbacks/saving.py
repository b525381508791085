"""When a checkpoint is written besides those of every so many steps: by the clock, and when the run
is interrupted."""

from __future__ import annotations

import signal
from time import monotonic
from types import FrameType
from typing import Any

import torch
from accelerate.utils import broadcast
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class SaveByTime(TrainerCallback):
    """A checkpoint after so many minutes without one, by the clock of the first process."""

    def __init__(self, minutes: float) -> None:
        self.seconds, self.since = 60 * minutes, monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        late = monotonic() - self.since >= self.seconds
        if args.world_size > 1:  # all save together, or none does
            late = bool(broadcast(torch.tensor(int(late), device=args.device)))
        control.should_save |= late

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.since = monotonic()


class Interrupt(TrainerCallback):
    """The first Ctrl-C, or the word of a machine that is taken away (SIGTERM), finishes the step,
    saves and stops; the second stops at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False
        self.previous = {number: signal.getsignal(number) for number in self.SIGNALS}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        for number in self.SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.restore()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.asked:
            control.should_save = control.should_training_stop = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.asked and state.global_step < state.max_steps:
            raise KeyboardInterrupt

    def restore(self) -> None:
        """Gives the signals back to whoever had them before."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)
