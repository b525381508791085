"""What a training run tells while it goes on: a progress bar, and metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.artefacts import atomic_write
from p5rec.core.progress import open_bar

from .validation import Kept

SHOWN = {"loss": "loss", "valid_NDCG@10": "NDCG@10"}  # of a log, and what the bar calls it


class Progress(TrainerCallback):
    """One line: steps, speed, time left, the last loss and validation check. Where validation may
    end the training early: what was checked last in place of steps, and when it ends.

    Args:
        kept: what may end the training.
        unit: what each validation check comes after.
    """

    def __init__(self, kept: Kept, unit: str) -> None:
        self.kept, self.unit = kept, unit
        self.bar = open_bar(None, "train", unit, off=True)
        self.told: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        off = not state.is_world_process_zero
        if self._may_end:
            self.bar = open_bar(None, "train", f"{self.unit}s", off=off)
        else:
            self.bar = open_bar(state.max_steps, "train", "step", done=state.global_step, off=off)
        self._count(state)

    def _count(self, state: TrainerState) -> None:
        done = len(self.kept.patience.figures) if self._may_end else state.global_step
        self.bar.update(done - self.bar.n)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._count(state)

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
            told = [f"{name} {value}" for name, value in self.told.items()]
            ends = [self.kept.patience.told(self.unit)] if self._may_end else []
            self.bar.set_postfix_str(", ".join([*ends, *told]))

    @property
    def _may_end(self) -> bool:
        """Whether validation may end the training before its last step."""
        looks = self.kept.patience.looks
        return 0 < 2 * looks * self.kept.every <= self.kept.last_step

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
