"""Supervised fine-tuning: a model, a schedule of rows, a folder."""

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

from p5rec.backbones.transformer import quantised
from p5rec.core.artefacts import read_json
from p5rec.core.errors import UserError, fault
from p5rec.core.launch import rank
from p5rec.models.multitask import MultitaskModel

from .alignment.objectives import Objective, supervised
from .callbacks.checkpoints import FOLDER, RUN, newest_whole
from .callbacks.divergence import Divergence
from .callbacks.progress import MetricsFile, Progress
from .callbacks.saving import Interrupt, SaveByTime
from .callbacks.validation import EvalFn, Kept, Validation
from .config import TrainConfig
from .distributed import (
    autocast_inside,
    check_joined,
    check_quantised,
    made_whole,
    share,
    spread,
    under_deepspeed,
    whole_state,
)
from .schedule import Schedule
from .trainer import MultitaskTrainer

SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}  # as transformers names them


class Trained(NamedTuple):
    """What a training left.

    Attributes:
        weights: by name.
        steps: after how many of them the model was so.
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

    Progress, ``metrics.jsonl`` and resumable checkpoints go to ``folder``; if it holds a whole
    checkpoint of an interrupted run, training goes on from the newest, to the same result.

    Args:
        schedule: what is read, and how it is learned.
        eval_fn: measures the model on validation; called every ``evaluate_every`` steps. What it
            says may end the training early (``patience``).
        objective: how a batch becomes a loss.

    Returns:
        The trained weights. Where processes hold ``model`` in pieces, it stays in pieces.

    Raises:
        KeyboardInterrupt: after a checkpoint was written, on SIGINT and SIGTERM.
        UserError: the loss is no longer finite or has diverged, and the step and its rows are
            named; the processes cannot train together, or cannot go on from the checkpoint; a
            tracker is not installed.
    """
    config = schedule.config
    config.check_trackers()
    _check_network(model, config)
    if config.precision == "bfloat16" and under_deepspeed():
        autocast_inside(model)
    last = newest_whole(folder / FOLDER, writes=rank() == 0)
    run = read_json(last / RUN) if last else {}
    kept = Kept(model, config, last, run.get("kept"))
    trainer = MultitaskTrainer(
        recipe=config,
        objective=objective,
        told=schedule.told,
        watch=Divergence(config.diverged, schedule.told, run.get("watch")),
        kept=kept,
        model=model,
        args=_arguments(config, folder),
        data_collator=schedule.collator(
            tokenizer.pad_token_id, model.start if model.seq2seq else None
        ),
        train_dataset=Dataset.from_dict({"slot": schedule.order}),
        processing_class=tokenizer,
    )
    _check_launch(trainer, last, run)
    if config.gradient_checkpointing:
        model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    with _watched(trainer, folder, eval_fn):
        trainer.train(resume_from_checkpoint=os.fspath(last) if last else None)
    kept.leave()
    model.eval()
    return Trained(whole_state(model), kept.steps)


def _check_network(model: MultitaskModel, config: TrainConfig) -> None:
    """Refuses what the model's network cannot do."""
    refused = {"packing": config.packing, "align": config.align, "dense.asked": config.dense.asked}
    for key, value in refused.items():
        if model.seq2seq and value:
            raise UserError(f"train.{key}: expected none for a model with an encoder; take it out")
    network = model.causal
    lacking = {
        "packing": config.packing and not model.traits.packs,
        "gradient_checkpointing": config.gradient_checkpointing
        and not hasattr(network, "gradient_checkpointing_enable"),
    }
    if any(lacking.values()):
        raise UserError(
            *(f"train.{key}: expected none for a {type(network).__name__}, which cannot; take it "
              "out" for key, lacks in lacking.items() if lacks)
        )  # fmt: skip


def _check_launch(trainer: MultitaskTrainer, last: Path | None, run: dict[str, str]) -> None:
    """Whether the processes train together, and may go on from the checkpoint ``last``."""
    accelerator = trainer.accelerator
    check_joined(accelerator.num_processes, accelerator.distributed_type.value)
    found = spread(accelerator)
    check_quantised(quantised(trainer.model.causal), found)
    if last and run["weights"] != found:
        raise fault(
            last, f"weights and optimiser states as it holds them ({run['weights']})", found,
            "launch it as before, or delete the folder",
        )  # fmt: skip


@contextmanager
def _watched(trainer: MultitaskTrainer, folder: Path, eval_fn: EvalFn | None) -> Iterator[None]:
    """While it trains: a progress bar, ``metrics.jsonl``, validation, and a careful interrupt."""
    trainer.remove_callback(PrinterCallback)
    unit = "epoch" if trainer.recipe.passes else "check"
    progress, interrupt = Progress(trainer.kept, unit), Interrupt()
    saver = SaveByTime(trainer.recipe.save_minutes)
    for callback in (progress, MetricsFile(folder / "metrics.jsonl"), saver, interrupt):
        trainer.add_callback(callback)
    if eval_fn is not None:

        def look() -> dict[str, float]:
            with made_whole(trainer.model, trainer.model_wrapped):
                return dict(eval_fn())

        trainer.add_callback(
            Validation(look, trainer.recipe.evaluate_every, trainer.note, trainer.kept)
        )
    try:
        yield
    finally:  # whatever ended it: the bar's line is closed, and Ctrl-C is Python's again
        progress.close()
        interrupt.restore()
        unset_hf_deepspeed_config()  # or the next model would be loaded in pieces


def _arguments(config: TrainConfig, folder: Path) -> SFTConfig:
    on_gpu = torch.cuda.is_available()
    batch, accumulate = share(config.batch, config.accumulate)
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=config.last_step,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        learning_rate=config.learning_rate,
        lr_scheduler_type=SCHEDULES[config.schedule],
        warmup_steps=config.warmup,
        max_grad_norm=config.clip,
        bf16=config.precision == "bfloat16" and not under_deepspeed(),
        use_cpu=not on_gpu,
        gradient_checkpointing=False,  # the language model's own affair: see fit
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
    # set here, for transformers adds what it finds to those that it is given
    arguments.report_to = list(config.report_to)
    return arguments
