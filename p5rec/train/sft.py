"""Supervised fine-tuning: trl's trainer around our model, our rows and our loss."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PrinterCallback
from transformers.integrations import unset_hf_deepspeed_config
from trl import SFTConfig, SFTTrainer

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.errors import UserError, fault
from p5rec.models.checkpoint import WEIGHTS, load_trainable, read_tensors
from p5rec.models.multitask import MultitaskModel

from .callbacks import EvalFn, Interrupt, MetricsFile, Progress, Validation
from .checkpoints import WRITING, appearing, finished
from .collate import Collator
from .config import TrainConfig
from .divergence import Divergence
from .launch import check_joined, share
from .mixture import batch_order
from .objective import Objective, supervised
from .optimizer import make_optimizer
from .rows import Rows
from .sharding import (
    autocast_inside,
    check_quantised,
    in_pieces,
    load_pieces,
    made_whole,
    spread,
    under_deepspeed,
    whole_state,
)

RUN = "run.json"  # of a checkpoint: how it was launched, and what its losses were


class MultitaskTrainer(SFTTrainer):
    """Differs from its parent in four places: the loss is the objective's, the optimiser knows
    the new rows, a checkpoint holds trainable weights only, and nothing is sent anywhere."""

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self,
        *,
        recipe: TrainConfig,
        objective: Objective,
        told: Callable[[int], str],
        watch: Divergence,
        **arguments: Any,
    ) -> None:
        self.recipe, self.objective, self.told, self.watch = recipe, objective, told, watch
        super().__init__(**arguments, callbacks=[watch])
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        outputs = self.objective(model, inputs, num_items_in_batch)
        loss = outputs.pop("loss")
        self._check("loss", loss)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
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
            raise fault(
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

    def _get_output_dir(self, trial: Any) -> str:
        return os.path.join(self.args.output_dir, WRITING)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder, writes = Path(self.args.output_dir), self.args.should_save
        with appearing(folder, writes, self.accelerator.wait_for_everyone):
            super()._save_checkpoint(model, trial)
            if writes:
                about = {"weights": spread(self.accelerator), "watch": self.watch.state()}
                write_json(folder / WRITING / f"checkpoint-{self.state.global_step}" / RUN, about)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        state = whole_state(self.model)  # all processes take part
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        path = Path(resume_from_checkpoint) / WEIGHTS
        model = self.model if model is None else model
        fill = load_pieces if in_pieces(model) else partial(load_trainable, source=path)
        fill(model, read_tensors(path))

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """A checkpoint of ours carries a manifest instead."""

    def _send_telemetry(self) -> None:
        """Nobody is told that a model was trained here."""


def fit(
    model: MultitaskModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Mapping[str, Rows],
    task_of: np.ndarray,
    row_of: np.ndarray,
    config: TrainConfig,
    folder: Path,
    eval_fn: EvalFn | None = None,
    objective: Objective = supervised,
) -> dict[str, Tensor]:
    """Trains ``model`` in place.

    Progress, ``metrics.jsonl`` and resumable checkpoints go to ``folder``; if it holds a
    checkpoint of an interrupted run, training goes on from there, to the same result.

    Args:
        tasks: rows of each task, in the order of ``config.tasks``.
        task_of, row_of: ``(R,)`` the mixture (see ``p5rec.train.mixture``).
        eval_fn: measures the model on validation; called every ``config.evaluate_every`` steps.
        objective: how a batch becomes a loss.

    Returns:
        The trained weights by name. Where processes hold ``model`` in pieces, it stays in pieces.

    Raises:
        KeyboardInterrupt: after a checkpoint was written, on SIGINT and SIGTERM.
        UserError: the loss is no longer finite or has diverged, and the step and its rows are
            named; or the processes cannot train together, or cannot go on from the checkpoint.
    """
    weights = np.array([config.tasks[name].weight for name in tasks])
    lengths = np.empty(len(task_of), dtype=np.int64)
    for index, rows in enumerate(tasks.values()):
        mine = task_of == index
        lengths[mine] = rows.lengths[row_of[mine]]
    order = batch_order(task_of, lengths, config.batch, config.seed)
    if model.seq2seq and (config.packing or config.align):
        key = "packing" if config.packing else "align"
        raise UserError(f"train.{key}: expected none for a model with an encoder; take it out")
    collator = Collator(
        list(tasks.values()),
        weights,
        task_of,
        row_of,
        tokenizer.pad_token_id,
        model.start if model.seq2seq else None,
        config.packing,
    )
    names = list(tasks)

    def told(done: int) -> str:
        """The rows of the step after ``done`` others."""
        rows = order[done * config.rows : (done + 1) * config.rows]
        each = [f"{names[t]} {', '.join(map(str, row_of[rows[task_of[rows] == t]]))}"
                for t in np.unique(task_of[rows])]  # fmt: skip
        return "rows of " + "; ".join(each)

    if config.precision == "bfloat16" and under_deepspeed():
        autocast_inside(model)
    args, last = _arguments(config, folder), finished(folder / "checkpoints")[-1:]
    run = read_json(last[0] / RUN) if last else {"watch": None}
    trainer = MultitaskTrainer(
        recipe=config,
        objective=objective,
        told=told,
        watch=Divergence(config.diverged, told, run["watch"]),
        model=model,
        args=args,
        data_collator=collator,
        train_dataset=Dataset.from_dict({"row": order}),
        processing_class=tokenizer,
    )
    check_joined(trainer.accelerator.num_processes, trainer.accelerator.distributed_type.value)
    found = spread(trainer.accelerator)
    check_quantised(getattr(model.causal, "is_quantized", False), found)
    if last and run["weights"] != found:
        raise fault(
            last[0], f"weights and optimiser states as it holds them ({run['weights']})", found,
            "launch it as before, or delete the folder",
        )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    progress, interrupt = Progress(), Interrupt()
    for callback in (progress, MetricsFile(folder / "metrics.jsonl"), interrupt):
        trainer.add_callback(callback)
    if eval_fn is not None:
        measure = eval_fn

        def look() -> Mapping[str, float]:
            with made_whole(model, trainer.model_wrapped):
                return measure()

        trainer.add_callback(Validation(look, config.evaluate_every, trainer.note))
    if config.gradient_checkpointing:
        model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    try:
        trainer.train(resume_from_checkpoint=os.fspath(last[0]) if last else None)
    finally:  # whatever ended it: the bar's line is closed, and Ctrl-C is Python's again
        progress.close()
        interrupt.restore()
        unset_hf_deepspeed_config()  # or the next model would be loaded in pieces
    model.eval()
    return whole_state(model)


def _arguments(config: TrainConfig, folder: Path) -> SFTConfig:
    on_gpu = torch.cuda.is_available()
    batch, accumulate = share(config.batch, config.accumulate)
    return SFTConfig(
        output_dir=str(folder / "checkpoints"),
        max_steps=config.steps,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        max_grad_norm=config.clip,
        bf16=config.precision == "bfloat16" and not under_deepspeed(),
        use_cpu=not on_gpu,
        gradient_checkpointing=False,  # the language model's own affair: see above
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_steps=config.save_every,
        seed=config.seed,
        data_seed=config.seed,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False,
    )
