"""trl's trainer with the losses, optimiser and checkpoints of p5rec."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from trl import SFTTrainer

from p5rec.core.artefacts import write_json
from p5rec.core.errors import input_error
from p5rec.models.checkpoint import WEIGHTS, load_trainable, read_tensors

from .alignment.objectives import Objective
from .callbacks.checkpoints import (
    FOLDER,
    RUN,
    WRITING,
    atomic_checkpoint,
    load_state,
    random_state,
    save_state,
    set_random_state,
)
from .callbacks.divergence import Divergence
from .callbacks.validation import FinalWeights
from .config import TrainConfig
from .distributed import full_state, is_sharded, load_sharded, sharding
from .optimizer import make_optimizer
from .stages import drop_other_gradients

OPTIMISER, SCHEDULE = "optimizer.safetensors", "scheduler.safetensors"  # of a checkpoint


class MultitaskTrainer(SFTTrainer):
    """The trainer of trl with these changes:

    - the loss is that of the objective;
    - new embeddings are an optimiser group of their own;
    - the learning rate schedule covers all steps, even if training stops earlier;
    - a checkpoint has trainable weights only;
    - its states are not pickled (except sharded ones, which DeepSpeed and FSDP write);
    - nothing is sent anywhere except to the trackers in ``report_to``.
    """

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self,
        *,
        recipe: TrainConfig,
        objective: Objective,
        describe_step: Callable[[int], str],
        watch: Divergence,
        final_weights: FinalWeights,
        **arguments: Any,
    ) -> None:
        self.recipe, self.objective, self.describe_step = recipe, objective, describe_step
        self.watch, self.final_weights = watch, final_weights
        super().__init__(**arguments, callbacks=[watch, final_weights])
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        count = self.recipe.divisor or num_items_in_batch
        outputs = self.objective(model, inputs, count)
        loss = outputs.pop("loss")
        self._check("loss", loss)
        if self.args.average_tokens_across_devices and count is not None:
            loss = loss * self.accelerator.num_processes
        self.watch.add(loss)
        for name, value in self._named(outputs).items():
            self._metrics["train"][name].append(value.detach())
        return (loss, outputs) if return_outputs else loss

    def _named(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The values of a batch to log, by name."""
        levels = outputs.pop("level_losses")
        names = {f"code_loss_{level}": loss for level, loss in enumerate(levels, 1)}
        tasks = zip(self.recipe.tasks, outputs.pop("task_losses"), strict=False)
        outputs |= {f"loss_{task}": loss for task, loss in tasks}
        return outputs | names if self.recipe.level_losses else outputs

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        if self.state.global_step < self.recipe.adapter_steps:
            drop_other_gradients(model)
        norm = super()._clip_grad_norm(model)
        self._check("gradient norm", torch.as_tensor(norm))
        return norm

    def _check(self, what: str, value: torch.Tensor) -> None:
        if not value.isfinite():
            raise input_error(
                f"train, step {self.state.global_step + 1}", f"a finite {what}",
                f"{value.item()} ({self.describe_step(self.state.global_step)})",
                "lower learning_rate, or set train.precision to float32",
            )  # fmt: skip

    def note(self, values: Mapping[str, float]) -> None:
        """Adds ``values`` to the next log line."""
        for name, value in values.items():
            self._metrics["train"][name].append(torch.tensor(value))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        for name, values in list(self._metrics["train"].items()):
            # the loss of a term without targets in the batch is NaN, which is not logged
            values[:] = [value for value in map(float, values) if not math.isnan(value)]
            if not values:
                del self._metrics["train"][name]
        super().log(logs, start_time)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.recipe)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        return super().create_scheduler(self.recipe.steps, optimizer)

    def _get_output_dir(self, trial: Any) -> str:
        return os.path.join(self.args.output_dir, FOLDER, WRITING)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder, writes = Path(self.args.output_dir) / FOLDER, self.args.should_save
        with atomic_checkpoint(folder, writes, self.accelerator.wait_for_everyone):
            super()._save_checkpoint(model, trial)
            if writes:
                checkpoint = folder / WRITING / f"checkpoint-{self.state.global_step}"
                about = {
                    "weights": sharding(self.accelerator),
                    "watch": self.watch.state(),
                    "final_weights": self.final_weights.save(checkpoint),
                }
                write_json(checkpoint / RUN, about)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        state = full_state(self.model)  # all processes take part
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / WEIGHTS)

    @property
    def _sharded_states(self) -> bool:
        """Whether DeepSpeed or FSDP writes the sharded optimiser states."""
        return bool(self.is_deepspeed_enabled or self.is_fsdp_enabled)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self._sharded_states:
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            for name, each in self._stateful().items():
                save_state(each.state_dict(), Path(output_dir) / name)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self._sharded_states:
            super()._load_optimizer_and_scheduler(checkpoint)
        elif checkpoint is not None:
            for name, each in self._stateful().items():
                each.load_state_dict(load_state(Path(checkpoint) / name))

    def _stateful(self) -> dict[str, Any]:
        return {OPTIMISER: self.optimizer, SCHEDULE: self.lr_scheduler}

    def _save_rng_state(self, output_dir: str) -> None:
        os.makedirs(output_dir, exist_ok=True)  # the main process may write its files later
        save_state(random_state(), self._random(output_dir))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None and self._random(checkpoint).is_file():
            set_random_state(load_state(self._random(checkpoint)))

    def _random(self, folder: str) -> Path:
        return Path(folder) / f"random-{self.args.process_index}.safetensors"

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        path = Path(resume_from_checkpoint) / WEIGHTS
        model = self.model if model is None else model
        fill = load_sharded if is_sharded(model) else partial(load_trainable, source=path)
        fill(model, read_tensors(path))

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Does nothing; a bundle has a manifest instead."""

    def _send_telemetry(self) -> None:
        """Does nothing; p5rec sends no telemetry."""
