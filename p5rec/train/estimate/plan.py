"""A training before it is run: what it reads, what learns, how much memory and time it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.config import IdsConfig
from p5rec.models.checkpoint import Bundle, BundleSettings, build
from p5rec.models.start import begun_from

from ..examples.row import Rows
from ..method import GenerativeConfig, settings_of, taught_prompts
from ..training_data import build_training_data, epoch_sizes
from .cost import Load, Weights, flops, load_of, matmul_rate, weights_of
from .gpus import GPUS
from .memory import Memory, memory_of

SAMPLE = 64  # rows of each task that are made to be counted
HERE = "this machine"
# share of the speed in products of matrices that training reaches: on a CPU as it was measured
# (docs/results/train), in bfloat16 the products are quick and all else is not; on a GPU assumed
CPU_UTILISATION = {"float32": 0.5, "bfloat16": 0.25}
GPU_UTILISATION = 0.3
LAUNCH = 1e-3  # seconds a block and step that a GPU is busy being told what to do


@dataclass(frozen=True)
class TaskPlan:
    """One task: rows of an epoch, and what all steps read of it."""

    epoch_rows: int
    load: Load


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

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "peak": self.memory.peak}


def stand_in_codes(config: IdsConfig, n_items: int) -> ItemCodes:
    """Different codes of the levels and sizes that ``config`` asks for; which ones is idle here."""
    sizes = config.sized(n_items).sizes
    room = prod(sizes)
    if n_items > room:  # a level that numbers items with equal codes
        sizes = (*sizes, -(-n_items // room))
    codes = np.stack(np.unravel_index(np.arange(n_items), sizes), axis=1).astype(np.int32)
    return ItemCodes(codes, sizes, config.scheme)


def plannable(method: GenerativeConfig) -> bool:
    """Whether it trains, on rows that do not depend on a trained model."""
    return method.train.steps > 0 and method.train.align is None


def plan(
    name: str,
    methods: Mapping[str, GenerativeConfig],
    ids: Mapping[str, IdsConfig],
    corpus: Corpus,
    gpus: Sequence[str] = (),
) -> Plan:
    """What training the method ``name`` will take; no weights are read.

    Of every task a seeded sample of rows is made, and stands for the others; where the lengths of
    all rows are known, as those of histories are, in proportion to them.

    Args:
        methods, ids: a recipe's; the items' codes need not be made.
        gpus: names in :data:`.gpus.GPUS`.

    Raises:
        ValueError: nothing is trained, or a trained model is aligned: what that takes depends on
            the model.
    """
    method = methods[name]
    if not plannable(method):
        raise ValueError(f"{name} is not trained on rows that are known before")
    seen = method.train.training_events(corpus)
    method = method.in_steps(seen)
    library, train = taught_prompts(method), method.train
    codes = stand_in_codes(ids[method.ids], len(corpus.catalog))
    settings = _settings(name, methods, corpus)
    prompts = library.subset_dump()
    bundle = build(settings, codes, corpus.catalog.ids, prompts, empty=True, download=True)
    tables, _ = build_training_data(method, seen, bundle, library)
    sizes = epoch_sizes(method, seen, library)
    tasks, shapes = {}, [(train.batch, max(1, train.packing))]
    for task, rows in tables.items():
        load, most = _sampled(rows, bundle, train.seed)
        tasks[task] = TaskPlan(sizes[task], load)
        shapes.append((train.batch * train.tasks[task].rows, max(most, train.packing)))
    total = sum((task.load for task in tasks.values()), Load())
    model = bundle.model
    batch = total * (1 / (train.steps * train.accumulate))
    memory = memory_of(model, method.backbone, train, max(shapes, key=prod), batch)
    again = 4 / 3 if train.gradient_checkpointing else 1
    work = again * flops(model, total)
    rate = matmul_rate(model, int(batch.positions), getattr(torch, train.precision))
    on_gpu = torch.cuda.is_available()
    reached = GPU_UTILISATION if on_gpu else CPU_UTILISATION[train.precision]
    seconds = {HERE: work / rate / reached}
    told = train.steps * train.accumulate * model.traits.depth * LAUNCH
    for gpu in gpus:
        seconds[gpu] = max(work / GPUS[gpu].rate / GPU_UTILISATION, told)
    fits = {gpu: memory.peak < GPUS[gpu].memory * 2**30 for gpu in gpus}
    return Plan(weights_of(model), train.steps, tasks, total, memory, work, seconds, fits, rate)


def _settings(name: str, methods: Mapping[str, GenerativeConfig], corpus: Corpus) -> BundleSettings:
    """What the method's bundle is built from, adapters of what it starts from included."""
    method = methods[name]
    settings = settings_of(method, corpus)
    if method.start is None:
        return settings
    if method.start not in methods:
        return begun_from(settings, Path(method.start))
    first = _settings(method.start, methods, corpus)
    lora = first.backbone.lora
    below = first.below if lora is None else (*first.below, lora)
    return settings.model_copy(update={"below": below})


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
