"""Plans a training before it runs: examples, weights, memory and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.precision import dtype_of
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.ids.config import IdsConfig
from p5rec.models.bundle import Bundle, build
from p5rec.tasks.view import DATA_ALONE, Shown

from ..examples.example import TrainingExamples
from ..learner import LearnerConfig, settings_of, training_prompts
from ..schedule import Schedule
from ..training_data import build_training_data, epoch_sizes
from .cost import Load, Weights, flops, load_of, matmul_rate, weights_of
from .gpus import GPUS
from .memory import Memory, memory_of
from .timing import seconds_of, step_seconds

SMALL = 5e7  # maximum weights of a model whose steps are timed
SAMPLE = 64  # examples of each task whose load is measured
HERE = "this machine"
# speed of training relative to matrix products: measured on a CPU
# (docs/experiments/results/train; in bfloat16 only the products are fast), assumed on a GPU
CPU_UTILISATION = {"float32": 0.5, "bfloat16": 0.25}
GPU_UTILISATION = 0.3
LAUNCH = 1e-3  # seconds per block and step to launch kernels on a GPU


@dataclass(frozen=True)
class TaskPlan:
    """One task: the examples of an epoch, and its load over all steps."""

    epoch_examples: int
    load: Load


@dataclass(frozen=True)
class ValidationTiming:
    """How to time a validation check.

    Attributes:
        validate: a check of some users.
        times: number of all users divided by the number of these.
    """

    validate: Callable[[Bundle], object]
    times: float


@dataclass(frozen=True)
class Plan:
    """The plan of one method's training.

    Attributes:
        weights: numbers of weights.
        steps: of the training.
        tasks: plans of the tasks by name.
        total: load of all steps.
        memory: peak memory in bytes.
        flops: of all steps.
        seconds: duration on this machine and on the requested GPUs.
        fits: whether the training fits in the memory of each GPU.
        rate: measured FLOPs per second of this machine.
        timed: measured seconds of a training step and of a validation check on this machine; empty:
            the duration is computed from FLOPs.
        at_most: training may stop early.
        trials: number of trainings among which validation selects one.
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
        values = {name: value for name, value in asdict(self).items() if name != "at_most"}
        return {**values, "peak": self.memory.peak}

    def lines(self) -> list[str]:
        """As lines of text."""
        return [*self._weights(), *self._tasks(), *self._costs()]

    def _weights(self) -> list[str]:
        weights = self.weights
        trained = {
            "adapters": weights.adapters,
            "new embeddings": weights.embeddings,
            "heads": weights.heads,
        }
        return [
            f"  weights     {weights.total:,}; {weights.trained:,} trained "
            f"({weights.trained / weights.total:.1%}): "
            + ", ".join(f"{name} {count:,}" for name, count in trained.items() if count)
        ]

    def _tasks(self) -> list[str]:
        lines = []
        for name, task in self.tasks.items():
            load, epochs = task.load, task.load.examples / task.epoch_examples
            lines.append(
                f"  {name:<11} {load.examples:,.0f} examples, {task.epoch_examples:,} an epoch "
                f"({epochs:.1f} epochs): {load.tokens:,.0f} tokens, targets: {load.items:,.0f} "
                f"items and {load.words:,.0f} words"
            )
            too_long = {
                "shortened": load.shortened - load.cut,
                "cut": load.cut,
            }
            counts = [f"about {n:,.0f} {how}" for how, n in too_long.items() if n >= 0.5]
            if counts:
                lines.append(f"  {'':<11} longer than max_tokens: {', '.join(counts)}")
        return lines

    def _costs(self) -> list[str]:
        total, memory = self.total, self.memory
        steps = f"{self.steps:,} steps" + " at most" * self.at_most
        terms = {name: size for name, size in vars(memory).items() if size >= 1e6}
        by_term = " + ".join(
            f"{name.replace('_', ' ')} {size / 1e6:,.0f}" for name, size in terms.items()
        )
        lines = [
            f"  {'all':<11} {steps}, {total.examples:,.0f} examples: {total.tokens:,.0f} tokens, "
            f"{total.positions:,.0f} positions, {self.flops / 1e12:,.1f} TFLOP",
            f"  memory      {memory.peak / 1e9:.1f} GB: {by_term} MB",
        ]
        for device, seconds in self.seconds.items():
            full = "" if self.fits.get(device, True) else "; its memory is too small"
            lines.append(f"  {'time':<11} {_clock(seconds)} on {device}{full}{self._timed(device)}")
        if self.trials > 1:
            lines.append(f"  {'trials':<11} {self.trials} trainings, of which one is selected")
        return lines

    def _timed(self, device: str) -> str:
        if device != HERE or not self.timed:
            return ""
        each = ", ".join(f"{1e3 * spent:,.0f} ms a {what}" for what, spent in self.timed.items())
        return f": {each}, measured"


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plannable(learner: LearnerConfig) -> bool:
    """Whether there is a training, on examples that do not depend on a trained model."""
    return learner.train.steps > 0 and learner.train.align is None


def stand_in_codes(config: IdsConfig, n_items: int) -> ItemCodes:
    """Arbitrary distinct codes with the levels and sizes of ``config``, for estimates."""
    sizes = config.sized(n_items).sizes
    capacity = prod(sizes)
    if n_items > capacity:  # a level that numbers items with equal codes
        sizes = (*sizes, -(-n_items // capacity))
    number = np.arange(n_items)
    columns: list[np.ndarray] = []
    for size in reversed(sizes):
        number, code = np.divmod(number, size)
        columns.insert(0, code)
    return ItemCodes(np.stack(columns, axis=1).astype(np.int32), sizes, config.scheme)


def plan(
    learner: LearnerConfig,
    codes: ItemCodes,
    corpus: Corpus,
    base_adapters: Sequence[LoraSettings] = (),
    gpus: Sequence[str] = (),
    validation: ValidationTiming | None = None,
    shown: Shown = DATA_ALONE,
) -> Plan:
    """Estimates the cost of training ``learner``; no weights are read.

    The load of a task is extrapolated from a seeded sample of its examples, in proportion to the
    examples' lengths. A small model with random weights runs a few of its steps, which gives the
    time on this machine.

    Args:
        learner: the model and its training.
        codes: of the items (:func:`stand_in_codes`).
        corpus: the data.
        base_adapters: adapters of the model that the training is initialised from.
        gpus: names in :data:`.gpus.GPUS`.
        validation: how to time a validation check; None: training has none.
        shown: what prompts show besides the data.

    Raises:
        ValueError: nothing is trained, or the training aligns a model, on whose predictions the
            cost depends.
    """
    if not plannable(learner):
        raise ValueError("expected a training on examples that do not depend on a model")
    events = learner.train.training_events(corpus)
    learner = learner.epochs_to_steps(events)
    library, train = training_prompts(learner), learner.train
    settings = settings_of(learner, corpus).model_copy(
        update={"base_adapters": tuple(base_adapters)}
    )
    prompts = library.subset_dump()
    bundle = build(settings, codes, corpus.catalog.ids, prompts, empty=True, download=True)
    examples, task_of = build_training_data(learner, events, bundle, library, shown=shown)
    sizes = epoch_sizes(learner, events, library)
    tasks, shapes = {}, [(train.batch, max(1, train.packing))]
    for task, of_task in examples.items():
        load, most = _sampled(of_task, bundle, train.seed)
        load = load * (train.last_step / train.steps)
        tasks[task] = TaskPlan(sizes[task], load)
        shapes.append((train.batch * train.tasks[task].examples, max(most, train.packing)))
    total = sum((task.load for task in tasks.values()), Load())
    model = bundle.model
    batch = total * (1 / (train.last_step * train.accumulate))
    memory = memory_of(model, learner.backbone, train, max(shapes, key=prod), batch)
    recomputed = 4 / 3 if train.gradient_checkpointing else 1
    work = recomputed * flops(model, total)
    dtype = dtype_of(train.precision)
    rate = matmul_rate(model, int(batch.positions), dtype)
    on_gpu = torch.cuda.is_available()
    utilisation = GPU_UTILISATION if on_gpu else CPU_UTILISATION[str(dtype).removeprefix("torch.")]
    seconds, timed = {HERE: work / rate / utilisation}, {}
    weights = weights_of(model)
    if learner.backbone.source is None and weights.total < SMALL and not on_gpu:
        real = build(settings, codes, corpus.catalog.ids, prompts)
        schedule = Schedule(examples, task_of, train)
        timed = {"step": step_seconds(real.model, real.tokenizer, schedule)}
        seconds[HERE] = train.last_step * timed["step"]
        if validation is not None:
            check = validation.times * seconds_of(partial(validation.validate, real))
            timed["validation check"] = check
            seconds[HERE] += train.last_step // train.evaluate_every * check
    launches = train.last_step * train.accumulate * model.traits.depth * LAUNCH
    for gpu in gpus:
        seconds[gpu] = max(work / GPUS[gpu].rate / GPU_UTILISATION, launches)
    fits = {gpu: memory.peak < GPUS[gpu].memory * 2**30 for gpu in gpus}
    at_most = bool(train.patience)
    return Plan(
        weights, train.last_step, tasks, total, memory, work, seconds, fits, rate, timed, at_most
    )


def _sampled(examples: TrainingExamples, bundle: Bundle, seed: int) -> tuple[Load, int]:
    """The extrapolated load of ``examples``, and the positions of the longest in the sample."""
    if not len(examples):
        return Load(), 1
    lengths = examples.lengths
    sample = derive_rng(seed, "plan").permutation(len(examples))[:SAMPLE]
    sample = np.union1d(sample, lengths.argmax())
    merged = bundle.model.merged
    loads = [load_of([examples[int(i)]], bundle.layout, merged=merged) for i in sample]
    total = sum(loads, Load()) * float(lengths.sum() / lengths[sample].sum())
    longest = int(max(load.positions for load in loads))
    return Load(**{**vars(total), "examples": len(examples)}), longest
