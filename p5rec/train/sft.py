"""Supervised fine-tuning: trains a model on a schedule of examples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PrinterCallback
from transformers.integrations import unset_hf_deepspeed_config
from trl import SFTConfig

from p5rec.backbones.precision import dtype_of
from p5rec.backbones.quiet import quiet
from p5rec.backbones.transformer import quantised
from p5rec.backbones.tree_attention import use_tree_attention
from p5rec.core.artefacts import read_json
from p5rec.core.errors import UserError, input_error
from p5rec.core.launch import rank
from p5rec.models.multitask import MultitaskModel

from .alignment.objectives import Objective, supervised
from .callbacks.checkpoints import FOLDER, RUN, newest_intact
from .callbacks.divergence import Divergence
from .callbacks.memory import ReturnMemory
from .callbacks.progress import MetricsFile, Progress
from .callbacks.saving import Interrupt, SaveByTime
from .callbacks.validation import EvalFn, FinalWeights, Validation
from .config import TrainConfig
from .distributed import (
    autocast_inside,
    check_joined,
    check_quantised,
    full_state,
    gathered,
    per_process,
    sharding,
    under_deepspeed,
)
from .schedule import Schedule
from .trainer import MultitaskTrainer

SHARDED = ("DEEPSPEED", "FSDP")  # launches whose gradients are not those of the weights
SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}  # as transformers names them


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        weights: trained weights by name.
        steps: the step that they are from.
    """

    weights: dict[str, Tensor]
    steps: int


def fit(
    model: MultitaskModel,
    tokenizer: PreTrainedTokenizerBase,
    schedule: Schedule,
    folder: Path,
    eval_fn: EvalFn | None = None,
    objective: Objective = supervised,
) -> Trained:
    """Trains ``model`` in place.

    ``metrics.jsonl`` and resumable checkpoints are written to ``folder``. If it has an intact
    checkpoint of an interrupted run, training resumes from the newest, with the same result.

    Args:
        schedule: the examples of each step, and the settings of the training.
        eval_fn: computes validation metrics; called every ``evaluate_every`` steps. Early stopping
            uses them (``patience``).
        objective: computes the loss of a batch.

    Returns:
        The trained weights. A sharded ``model`` stays sharded.

    Raises:
        KeyboardInterrupt: on SIGINT and SIGTERM, after a checkpoint was written.
        UserError: the loss is not finite or has diverged (the message names the step and its
            examples); the processes cannot train together or resume from the checkpoint; a
            tracker is not installed.
    """
    quiet()
    config = schedule.config
    if errors := config.missing_trackers():
        raise UserError(*errors)
    _check_network(model, config)
    if under_deepspeed() and (dtype := dtype_of(config.precision)) != torch.float32:
        autocast_inside(model, dtype)
    last = newest_intact(folder / FOLDER, writes=rank() == 0)
    run = read_json(last / RUN) if last else {}
    final_weights = FinalWeights(model, config, last, run.get("final_weights"))
    trainer = MultitaskTrainer(
        recipe=config,
        objective=objective,
        describe_step=schedule.describe_step,
        watch=Divergence(config.diverged, schedule.describe_step, run.get("watch")),
        final_weights=final_weights,
        model=model,
        args=_arguments(config, folder),
        data_collator=schedule.collator(
            tokenizer.pad_token_id, model.start if model.seq2seq else None
        ),
        train_dataset=Dataset.from_dict({"slot": schedule.order}),
        processing_class=tokenizer,
    )
    _check_launch(trainer, last, run)
    if config.shared_history and not model.seq2seq:
        use_tree_attention(model.causal)
    if config.gradient_checkpointing:
        model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    with _watched(trainer, folder, eval_fn):
        trainer.train(resume_from_checkpoint=os.fspath(last) if last else None)
    final_weights.apply()
    model.eval()
    return Trained(full_state(model), final_weights.steps)


def _check_network(model: MultitaskModel, config: TrainConfig) -> None:
    """Refuses settings that the model's network does not support."""
    refused = {
        "packing": config.packing,
        "align": config.align,
        "next_item.targets_per_example": config.next_item.targets_per_example,
    }
    for key, value in refused.items():
        if model.seq2seq and value:
            raise UserError(f"train.{key}: expected none for a model with an encoder; remove it")
    network = model.causal
    lacking = {
        "adapter_steps": config.adapter_steps and model.point_adapter is None,
        "packing": config.packing and not model.traits.packing,
        "shared_history": config.shared_history
        and not (model.traits.relative_positions if model.seq2seq else model.traits.kv_cache),
        "gradient_checkpointing": config.gradient_checkpointing
        and not hasattr(network, "gradient_checkpointing_enable"),
    }
    if any(lacking.values()):
        raise UserError(
            *(f"train.{key}: expected none for a {type(network).__name__}, which does not support "
              "it; remove it" for key, lacks in lacking.items() if lacks)
        )  # fmt: skip


def _check_launch(trainer: MultitaskTrainer, last: Path | None, run: dict[str, str]) -> None:
    """Checks that the processes train together and can resume from the checkpoint ``last``."""
    accelerator = trainer.accelerator
    check_joined(accelerator.num_processes, accelerator.distributed_type.value)
    mode = sharding(accelerator)
    check_quantised(quantised(trainer.model.causal), mode)
    if trainer.recipe.adapter_steps and accelerator.distributed_type.value in SHARDED:
        raise input_error(
            "train.adapter_steps", "full copies of the weights", mode, "launch without sharding"
        )
    if last and run["weights"] != mode:
        raise input_error(
            last, f"weights and optimiser states as in it ({run['weights']})", mode,
            "launch it as before, or delete the folder",
        )  # fmt: skip


@contextmanager
def _watched(trainer: MultitaskTrainer, folder: Path, eval_fn: EvalFn | None) -> Iterator[None]:
    """Adds the callbacks: progress bar, ``metrics.jsonl``, validation, saving, interrupts."""
    trainer.remove_callback(PrinterCallback)
    progress, interrupt = Progress(trainer.final_weights), Interrupt()
    saver = SaveByTime(trainer.recipe.save_minutes)
    own = (progress, MetricsFile(folder / "metrics.jsonl"), saver, interrupt, ReturnMemory())
    for callback in own:
        trainer.add_callback(callback)
    if eval_fn is not None:

        def validate() -> dict[str, float]:
            with gathered(trainer.model, trainer.model_wrapped):
                return dict(eval_fn())

        trainer.add_callback(
            Validation(validate, trainer.recipe.evaluate_every, trainer.note, trainer.final_weights)
        )
    try:
        yield
    finally:  # in any case, close the bar's line and restore Ctrl-C
        progress.close()
        interrupt.restore()
        unset_hf_deepspeed_config()  # or the next model would be loaded sharded


def _arguments(config: TrainConfig, folder: Path) -> SFTConfig:
    on_gpu = torch.cuda.is_available()
    batch, accumulate = per_process(config.batch, config.accumulate)
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=config.last_step,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        learning_rate=config.learning_rate,
        lr_scheduler_type=SCHEDULES[config.schedule],
        warmup_steps=config.warmup,
        max_grad_norm=config.clip,
        bf16=dtype_of(config.precision) == torch.bfloat16 and not under_deepspeed(),
        use_cpu=not on_gpu,
        gradient_checkpointing=False,  # enabled in fit, on the language model only
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_steps=config.save_every,
        seed=config.seed,
        data_seed=config.seed,
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False,
    )
    # set afterwards: the constructor adds every installed tracker
    arguments.report_to = list(config.report_to)
    return arguments
