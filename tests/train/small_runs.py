"""A small log, training examples of two tasks, and training runs of a second or less."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import llama, make_bundle, save_llama, save_t5, scratch, some_codes
from torch import Tensor

from p5rec.backbones.config import BackboneConfig
from p5rec.core.examples import Example
from p5rec.core.rng import id_keys, occurrence
from p5rec.core.types import TEST, TRAIN, VALID, Interactions, Split
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle
from p5rec.train.callbacks.validation import EvalFn
from p5rec.train.config import TrainConfig
from p5rec.train.examples.example import TrainingExamples
from p5rec.train.examples.histories import NextItemExamples
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.schedule import Schedule, assign_tasks
from p5rec.train.sft import fit

# by the name of their golden curve; each creates its files in the folder
BACKBONES: Mapping[str, Callable[[Path], BackboneConfig]] = {
    "scratch": lambda _: scratch(),
    "scratch-tokens": lambda _: scratch(items="tokens"),
    "scratch-lora": lambda _: scratch(lora=True),
    "llama-lora": lambda folder: llama(save_llama(folder), lora=True),
    "new-t5": lambda _: scratch(shape="t5"),
    "t5-lora": lambda folder: llama(save_t5(folder), lora=True),
}
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
ITEMS = 24


def log(users: int = 30, events: int = 9, seed: int = 0) -> tuple[Interactions, Split]:
    """Random events with some equal times; leave-one-out."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(users, dtype=np.int32), events)
    items = rng.integers(0, ITEMS, users * events).astype(np.int32)
    times = np.sort(rng.integers(0, 6, (users, events)), axis=1).ravel().astype(np.int64)
    parts = np.full(users * events, TRAIN, dtype=np.int8)
    parts[events - 2 :: events], parts[events - 1 :: events] = VALID, TEST
    log = Interactions(owner, items, times, None, id_keys(range(users)), id_keys(range(ITEMS)))
    return log, Split("leave-one-out", parts)


class RatingPrompts(list[Example]):
    """Rating prompts whose target depends on the item."""

    def __init__(self, n: int) -> None:
        super().__init__(
            Example(f"How many stars for <a_{i % 6}><b_{i % 5}>?", f"{1 + i % 5}", "rating",
                    "rating.v1", rating=float(1 + i % 5))
            for i in range(n)
        )  # fmt: skip


def config(**changes: Any) -> TrainConfig:
    """30 steps in float32 over both tasks."""
    settings: dict[str, Any] = {
        "tasks": {"next-item": {"share": 2.0}, "rating": {"weight": 0.5}},
        "next_item": {"window": 5, "item_dropout": 0.2},
        "steps": 30,
        "batch": 4,
        "learning_rate": 0.01,
        "warmup": 3,
        "precision": "float32",
        "log_every": 1,
        "save_every": 1000,
    }
    return TrainConfig(**{**settings, **changes})


def train(
    backbone: BackboneConfig, settings: TrainConfig, folder: Path, eval_fn: EvalFn | None = None
) -> Bundle:
    """A trained tiny model; its metrics and checkpoints are in ``folder``."""
    bundle = make_bundle(backbone, some_codes(ITEMS), std=0.0, scale=SCALE)
    fit_on(bundle, settings, folder, eval_fn)
    return bundle


def fit_on(
    bundle: Bundle,
    settings: TrainConfig,
    folder: Path,
    eval_fn: EvalFn | None = None,
    slots: np.ndarray | None = None,
) -> dict[str, Tensor]:
    """Trains ``bundle`` in place, on the ``slots`` of its mixture; None: on all of them."""
    if slots is None:
        slots = np.arange(settings.steps * settings.slots)
    task_of = assign_tasks(settings.tasks, int(slots.max()) + 1, settings.seed)
    tasks = {
        name: examples_of_task(name, bundle, settings, len(task_of) * task.examples)
        for name, task in settings.tasks.items()
    }
    schedule = Schedule(tasks, task_of[slots], settings, occurrence(task_of)[slots])
    return fit(bundle.model, bundle.tokenizer, schedule, folder, eval_fn).weights


def examples_of_task(name: str, bundle: Bundle, settings: TrainConfig, n: int) -> TrainingExamples:
    if name == "next-item":
        interactions, split = log()
        windows = Windows(
            interactions,
            split,
            settings.next_item.window,
            n,
            settings.seed,
            shuffle_ties=settings.next_item.shuffle_ties,
        )
        return NextItemExamples(
            windows, interactions.items, bundle.layout, bundle.bos, settings.next_item
        )
    return PromptExamples(RatingPrompts(n), bundle.tokenizer, settings.max_tokens)


def weights(bundle: Bundle) -> dict[str, Tensor]:
    """Copies of all weights by name."""
    return {name: p.detach().clone() for name, p in bundle.model.named_parameters()}


def same(one: Bundle, other: Bundle) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def curve(folder: Path, *names: str) -> dict[str, list[float]]:
    """The values in ``metrics.jsonl`` by name."""
    logs: list[Mapping[str, float]] = [
        json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    return {name: [entry[name] for entry in logs if name in entry] for name in names}
