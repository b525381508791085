"""Progress of a training run: a progress bar and metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.artefacts import atomic_write
from p5rec.core.progress import bars_are_off

LABELS = {"loss": "loss", "valid_NDCG@10": "NDCG@10"}  # name in the log → label in the bar


class Progress(TrainerCallback):
    """A progress bar with steps, speed, time left, the last loss and validation metric."""

    def __init__(self) -> None:
        self.bar = tqdm(disable=True)
        self.metrics: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="train",
            unit="step",
            disable=bars_are_off() or not state.is_world_process_zero,
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
        latest = {name: value for name, value in (logs or {}).items() if name in LABELS}
        self.metrics |= {LABELS[name]: f"{value:.4f}" for name, value in latest.items()}
        if latest:
            self.bar.set_postfix(self.metrics)

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
