"""A training before it is run: what it reads, what learns, how much memory and time it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch

from p5rec.backbones.config import LoraSettings
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.config import IdsConfig
from p5rec.models.checkpoint import Bundle, build

from ..examples.row import Rows
from ..learner import LearnerConfig, settings_of, taught_prompts
from ..schedule import Schedule
from ..training_data import build_training_data, epoch_sizes
from .cost import Load, Weights, flops, load_of, matmul_rate, weights_of
from .gpus import GPUS
from .memory import Memory, memory_of
from .timing import seconds_of, step_seconds

SMALL = 5e7  # weights of a model that is drawn to time its steps
SAMPLE = 64  # rows of each task that are made to be counted
HERE = "this machine"
# share of the speed in products of matrices that training reaches: on a CPU as it was measured
# (docs/experiments/results/train), in bfloat16 the products are quick and all else is not; on a
# GPU assumed
CPU_UTILISATION = {"float32": 0.5, "bfloat16": 0.25}
GPU_UTILISATION = 0.3
LAUNCH = 1e-3  # seconds a block and step that a GPU is busy being told what to do


@dataclass(frozen=True)
class TaskPlan:
    """One task: rows of an epoch, and what all steps read of it."""

    epoch_rows: int
    load: Load


@dataclass(frozen=True)
class Look:
    """A look at validation.

    Attributes:
        validate: one at some of the users.
        times: all users are so many times more.
    """

    validate: Callable[[Bundle], object]
    times: float


@dataclass(frozen=True)
class Plan:
    """One method's training.

    Attributes:
        weights: how many there are and how many learn.
        steps: of the training.
        tasks: by name.
        total: all that the training reads.
        memory: bytes at the largest.
        flops: of the whole training.
        seconds: on this machine and on the GPUs asked for.
        fits: whether its memory holds the training, for each GPU.
        rate: FLOPs a second measured on this machine.
        timed: seconds of a training step and of a look at validation here, as they were measured;
            empty: the time here is arithmetic.
        at_most: training may end before.
        trials: such trainings, among which validation chooses.
    """

    weights: Weights
    steps: int
    tasks: Mapping[str, TaskPlan]
    total: Load
    memory: Memory
    flops: float
    seconds: Mapping[str, float]
    fits: Mapping[str, bool]
    rate: float
    timed: Mapping[str, float]
    at_most: bool
    trials: int = 1

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        told = {name: value for name, value in asdict(self).items() if name != "at_most"}
        return {**told, "peak": self.memory.peak}

    def lines(self) -> list[str]:
        """In words."""
        return [*self._weights(), *self._tasks(), *self._costs()]

    def _weights(self) -> list[str]:
        weights = self.weights
        parts = {"adapters": weights.adapters, "new rows": weights.rows, "heads": weights.heads}
        return [
            f"  weights     {weights.total:,}; {weights.trained:,} learn "
            f"({weights.trained / weights.total:.1%}): "
            + ", ".join(f"{part} {count:,}" for part, count in parts.items() if count)
        ]

    def _tasks(self) -> list[str]:
        lines = []
        for task, told in self.tasks.items():
            load, epochs = told.load, told.load.rows / told.epoch_rows
            lines.append(
                f"  {task:<11} {load.rows:,.0f} rows of {told.epoch_rows:,} an epoch ({epochs:.1f} "
                f"epochs): {load.tokens:,.0f} tokens, {load.items:,.0f} items and "
                f"{load.words:,.0f} words taught"
            )
            fitted = {
                "shown with a shorter history or text": load.shortened - load.cut,
                "cut": load.cut,
            }
            if any(n >= 0.5 for n in fitted.values()):
                told_of = ", ".join(
                    f"about {n:,.0f} {how}" for how, n in fitted.items() if n >= 0.5
                )
                lines.append(f"  {'':<11} longer than max_tokens: {told_of}")
        return lines

    def _costs(self) -> list[str]:
        total, memory = self.total, self.memory
        steps = f"{self.steps:,} steps" + " at most" * self.at_most
        shares = {name: size for name, size in vars(memory).items() if size >= 1e6}
        told_by = " + ".join(f"{name} {size / 1e6:,.0f}" for name, size in shares.items())
        lines = [
            f"  {'all':<11} {steps}, {total.rows:,.0f} rows: {total.tokens:,.0f} tokens, "
            f"{total.positions:,.0f} positions, {self.flops / 1e12:,.1f} TFLOP",
            f"  memory      {memory.peak / 1e9:.1f} GB: {told_by} MB",
        ]
        for place, seconds in self.seconds.items():
            full = "" if self.fits.get(place, True) else "; its memory is too small"
            lines.append(f"  {'time':<11} {_clock(seconds)} on {place}{full}{self._timed(place)}")
        if self.trials > 1:
            lines.append(f"  {'trials':<11} {self.trials} such trainings, of which one is chosen")
        return lines

    def _timed(self, place: str) -> str:
        if place != HERE or not self.timed:
            return ""
        each = ", ".join(f"{1e3 * spent:,.0f} ms a {what}" for what, spent in self.timed.items())
        return f": {each}, as measured"


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plannable(learner: LearnerConfig) -> bool:
    """Whether it trains, on rows that do not depend on a trained model."""
    return learner.train.steps > 0 and learner.train.align is None


def stand_in_codes(config: IdsConfig, n_items: int) -> ItemCodes:
    """Different codes of the levels and sizes that ``config`` asks for; which ones is idle here."""
    sizes = config.sized(n_items).sizes
    room = prod(sizes)
    if n_items > room:  # a level that numbers items with equal codes
        sizes = (*sizes, -(-n_items // room))
    codes = np.stack(np.unravel_index(np.arange(n_items), sizes), axis=1).astype(np.int32)
    return ItemCodes(codes, sizes, config.scheme)


def plan(
    learner: LearnerConfig,
    codes: ItemCodes,
    corpus: Corpus,
    below: Sequence[LoraSettings] = (),
    gpus: Sequence[str] = (),
    look: Look | None = None,
) -> Plan:
    """What training ``learner`` will take; no weights are read.

    Of every task a seeded sample of rows is made, and stands for the others; where the lengths of
    all rows are known, as those of histories are, in proportion to them. A small model of drawn
    weights makes a few of its steps, which tell the time here.

    Args:
        codes: of the items (:func:`stand_in_codes`).
        below: adapters of the model that it starts from.
        gpus: names in :data:`.gpus.GPUS`.
        look: validation, where training has checks.

    Raises:
        ValueError: nothing is trained, or a trained model is aligned: what that takes depends on
            the model.
    """
    if not plannable(learner):
        raise ValueError("expected a training on rows that are known before")
    seen = learner.train.training_events(corpus)
    learner = learner.in_steps(seen)
    library, train = taught_prompts(learner), learner.train
    settings = settings_of(learner, corpus).model_copy(update={"below": tuple(below)})
    prompts = library.subset_dump()
    bundle = build(settings, codes, corpus.catalog.ids, prompts, empty=True, download=True)
    tables, task_of = build_training_data(learner, seen, bundle, library)
    sizes = epoch_sizes(learner, seen, library)
    tasks, shapes = {}, [(train.batch, max(1, train.packing))]
    for task, rows in tables.items():
        load, most = _sampled(rows, bundle, train.seed)
        load = load * (train.last_step / train.steps)
        tasks[task] = TaskPlan(sizes[task], load)
        shapes.append((train.batch * train.tasks[task].rows, max(most, train.packing)))
    total = sum((task.load for task in tasks.values()), Load())
    model = bundle.model
    batch = total * (1 / (train.last_step * train.accumulate))
    memory = memory_of(model, learner.backbone, train, max(shapes, key=prod), batch)
    again = 4 / 3 if train.gradient_checkpointing else 1
    work = again * flops(model, total)
    rate = matmul_rate(model, int(batch.positions), getattr(torch, train.precision))
    on_gpu = torch.cuda.is_available()
    reached = GPU_UTILISATION if on_gpu else CPU_UTILISATION[train.precision]
    seconds, timed = {HERE: work / rate / reached}, {}
    weights = weights_of(model)
    if learner.backbone.source is None and weights.total < SMALL and not on_gpu:
        real = build(settings, codes, corpus.catalog.ids, prompts)
        schedule = Schedule(tables, task_of, train)
        timed = {"step": step_seconds(real.model, real.tokenizer, schedule)}
        seconds[HERE] = train.last_step * timed["step"]
        if look is not None:
            timed["look"] = look.times * seconds_of(partial(look.validate, real))
            seconds[HERE] += train.last_step // train.evaluate_every * timed["look"]
    told = train.last_step * train.accumulate * model.traits.depth * LAUNCH
    for gpu in gpus:
        seconds[gpu] = max(work / GPUS[gpu].rate / GPU_UTILISATION, told)
    fits = {gpu: memory.peak < GPUS[gpu].memory * 2**30 for gpu in gpus}
    at_most = bool(train.patience)
    return Plan(
        weights, train.last_step, tasks, total, memory, work, seconds, fits, rate, timed, at_most
    )


def _sampled(rows: Rows, bundle: Bundle, seed: int) -> tuple[Load, int]:
    """The load of all ``rows``, and positions of the longest that was looked at."""
    if not len(rows):
        return Load(), 1
    lengths = rows.lengths
    chosen = derive_rng(seed, "plan").permutation(len(rows))[:SAMPLE]
    chosen = np.union1d(chosen, lengths.argmax())
    merged = bundle.model.code_head is not None
    loads = [load_of([rows[int(i)]], bundle.layout, merged=merged) for i in chosen]
    seen = sum(loads, Load())
    share = lengths.sum() / lengths[chosen].sum()
    whole = seen * float(share)
    return Load(**{**vars(whole), "rows": len(rows)}), int(max(load.positions for load in loads))
