"""trl's trainer around our model, our loss and our checkpoints."""

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
    appearing,
    load_state,
    random_state,
    save_state,
    set_random_state,
)
from .callbacks.divergence import Divergence
from .callbacks.validation import FinalWeights
from .config import TrainConfig
from .distributed import is_sharded, load_sharded, spread, full_state
from .optimizer import make_optimizer

OPTIMISER, SCHEDULE = "optimizer.safetensors", "scheduler.safetensors"  # of a checkpoint


class MultitaskTrainer(SFTTrainer):
    """Differs from its parent in six places: the loss is the objective's, the optimiser knows
    the new rows, the learning rate is that of all steps even where training ends before, a
    checkpoint holds trainable weights only, states in it are no pickles (but for those that
    DeepSpeed and FSDP write in pieces), and nothing is sent anywhere but to the trackers of
    ``report_to``."""

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self,
        *,
        recipe: TrainConfig,
        objective: Objective,
        told: Callable[[int], str],
        watch: Divergence,
        kept: FinalWeights,
        **arguments: Any,
    ) -> None:
        self.recipe, self.objective, self.told = recipe, objective, told
        self.watch, self.kept = watch, kept
        super().__init__(**arguments, callbacks=[watch, kept])
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
        """What is logged of a batch: a number a name."""
        levels = outputs.pop("level_losses")
        names = {f"code_loss_{level}": loss for level, loss in enumerate(levels, 1)}
        tasks = zip(self.recipe.tasks, outputs.pop("task_losses"), strict=False)
        outputs |= {f"loss_{task}": loss for task, loss in tasks}
        return outputs | names if self.recipe.level_losses else outputs

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        self._check("gradient norm", torch.as_tensor(norm))
        return norm

    def _check(self, what: str, value: torch.Tensor) -> None:
        if not value.isfinite():
            raise input_error(
                f"train, step {self.state.global_step + 1}", f"a finite {what}",
                f"{value.item()} ({self.told(self.state.global_step)})",
                "lower learning_rate, or set train.precision to float32",
            )  # fmt: skip

    def note(self, values: Mapping[str, float]) -> None:
        """Adds ``values`` to the next line of the log."""
        for name, value in values.items():
            self._metrics["train"][name].append(torch.tensor(value))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        for name, values in list(self._metrics["train"].items()):
            # a batch without words, codes or ratings has no such loss: NaN, and left out here
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
        with appearing(folder, writes, self.accelerator.wait_for_everyone):
            super()._save_checkpoint(model, trial)
            if writes:
                made = folder / WRITING / f"checkpoint-{self.state.global_step}"
                about = {
                    "weights": spread(self.accelerator),
                    "watch": self.watch.state(),
                    "kept": self.kept.save(made),
                }
                write_json(made / RUN, about)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        state = full_state(self.model)  # all processes take part
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / WEIGHTS)

    @property
    def _pieces(self) -> bool:
        """Whether optimiser states are written by the library that cuts them."""
        return bool(self.is_deepspeed_enabled or self.is_fsdp_enabled)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self._pieces:
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            for name, part in self._stateful().items():
                save_state(part.state_dict(), Path(output_dir) / name)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self._pieces:
            super()._load_optimizer_and_scheduler(checkpoint)
        elif checkpoint is not None:
            for name, part in self._stateful().items():
                part.load_state_dict(load_state(Path(checkpoint) / name))

    def _stateful(self) -> dict[str, Any]:
        return {OPTIMISER: self.optimizer, SCHEDULE: self.lr_scheduler}

    def _save_rng_state(self, output_dir: str) -> None:
        os.makedirs(output_dir, exist_ok=True)  # another process writes the rest
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
        """A checkpoint of ours carries a manifest instead."""

    def _send_telemetry(self) -> None:
        """Nobody is told that a model was trained here."""
