"""Progress of a training run: a progress bar and metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.atomic import atomic_write
from p5rec.core.progress import open_bar

from .validation import FinalWeights

LABELS = {"loss": "loss", "valid_NDCG@10": "NDCG@10"}  # name in the log → label in the bar


class Progress(TrainerCallback):
    """A progress bar with steps, speed, time left, the last loss and validation metric.

    If early stopping is possible, the bar counts validation checks instead of steps, and has the
    best metric and the time of the early stop.

    Args:
        final_weights: the weights of the run, with its early stopping.
    """

    def __init__(self, final_weights: FinalWeights) -> None:
        self.final_weights = final_weights
        self.bar = open_bar(None, "train", "step", off=True)
        self.metrics: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        off = not state.is_world_process_zero
        if self._may_stop_early:
            self.bar = open_bar(None, "train", "checks", off=off)
        else:
            self.bar = open_bar(state.max_steps, "train", "step", done=state.global_step, off=off)
        self._advance(state)

    def _advance(self, state: TrainerState) -> None:
        checks = len(self.final_weights.patience.values)
        done = checks if self._may_stop_early else state.global_step
        self.bar.update(done - self.bar.n)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._advance(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        latest = {name: value for name, value in (logs or {}).items() if name in LABELS}
        self.metrics |= {LABELS[name]: f"{value:.4f}" for name, value in latest.items()}
        if latest:
            metrics = [f"{name} {value}" for name, value in self.metrics.items()]
            patience = self.final_weights.patience
            early = [patience.summary("check")] if self._may_stop_early else []
            self.bar.set_postfix_str(", ".join([*early, *metrics]))

    @property
    def _may_stop_early(self) -> bool:
        """Whether early stopping is possible before the last step."""
        final = self.final_weights
        return 0 < 2 * final.patience.checks * final.every <= final.last_step

    def close(self) -> None:
        """Closes the bar."""
        self.bar.close()


class MetricsFile(TrainerCallback):
    """Appends each log to ``metrics.jsonl``.

    On resume, removes lines after the checkpoint and the summary of the interrupted run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        complete = [line for line in lines if line.endswith("\n")]  # the last may be partial
        logs = [json.loads(line) for line in complete]
        valid = [
            line
            for line, log in zip(complete, logs, strict=True)
            if log["step"] <= state.global_step and "train_runtime" not in log
        ]
        with atomic_write(self.path) as handle:
            handle.writelines(valid)

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
