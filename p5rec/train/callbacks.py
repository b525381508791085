"""What watches a training run: a progress bar, metrics.jsonl, validation, a careful interrupt."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import torch
from accelerate.utils import broadcast
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.artefacts import atomic_write

from .kept import Kept

SHOWN = {"loss": "loss", "valid_NDCG@10": "NDCG@10"}  # of a log, and what the bar calls it

EvalFn = Callable[[], Mapping[str, float]]


class Progress(TrainerCallback):
    """One line: steps, speed, time left, the last loss and look at validation."""

    def __init__(self) -> None:
        self.bar = tqdm(disable=True)
        self.told: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="train",
            unit="step",
            disable=not state.is_world_process_zero,
        )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        shown = {name: value for name, value in (logs or {}).items() if name in SHOWN}
        self.told |= {SHOWN[name]: f"{value:.4f}" for name, value in shown.items()}
        if shown:
            self.bar.set_postfix(self.told)

    def close(self) -> None:
        """Ends the line."""
        self.bar.close()


class MetricsFile(TrainerCallback):
    """Appends each log to ``metrics.jsonl``.

    On resume, drops what came after the checkpoint and the summary an interrupted run closed with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]  # a killed run may leave half a one
        logs = [json.loads(line) for line in whole]
        kept = [
            line
            for line, log in zip(whole, logs, strict=True)
            if log["step"] <= state.global_step and "train_runtime" not in log
        ]
        with atomic_write(self.path) as handle:
            handle.writelines(kept)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            with open(self.path, "a", encoding="utf-8") as handle:
                handle.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class Validation(TrainerCallback):
    """Calls the recipe's ``eval_fn`` every so many steps; what it returns joins that step's log,
    and may end the training."""

    def __init__(
        self, eval_fn: EvalFn, every: int, note: Callable[[dict[str, float]], None], kept: Kept
    ) -> None:
        self.eval_fn, self.every, self.note, self.kept = eval_fn, every, note, kept

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        if self.every and state.global_step % self.every == 0:
            model.eval()
            with self.kept.shown():
                figures = self.eval_fn()
                control.should_training_stop |= self.kept.judge(figures, args)
            model.train()
            self.note({f"valid_{name}": value for name, value in figures.items()})
            control.should_log = True


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
