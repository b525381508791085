"""Training speed against ``trl.SFTTrainer``, and full sequences against one target per example.

python scripts/bench_train.py [--json out.json] [--plot out.png] [--quick]

First: SmolLM2-135M as a plain language model (one token per code, softmax over the vocabulary,
float32) trains on the same examples of MovieLens 100k, a mix of histories and prompts, with the
same adapters, new token embeddings and initial weights. ``SFTTrainer`` runs without and with its
default gradient checkpointing, then p5rec. Measured: losses step by step, tokens per second, peak
memory, the loss on held-out examples at equal wall time, and the ratio to a lower bound: the time
of the matrix products alone at the rate that this machine reaches on the blocks' shapes.

Second: a shallow SmolLM2 trains on MovieLens 100k with full histories in which every item is a
target (``next-item``), with one-target examples of item codes, and with the prompts of
``sequential-next``. Measured: target items per second, and validation NDCG@10 over wall time.

The trainers take turns step by step, each in a separate process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trainers import (
    MOVIELENS,
    OneTarget,
    Setup,
    Table,
    Turns,
    materialised,
    ours,
    peak_memory,
    setup_of,
    stock,
)

from p5rec.data.config import DataConfig
from p5rec.methods.generative.method import Generative
from p5rec.metrics import ranking
from p5rec.models.multitask import Batch
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.family_predictions import predict_family
from p5rec.recommend.validate import validator
from p5rec.train.estimate.cost import flops, load_of, matmul_rate
from p5rec.train.examples.collate import Collator
from p5rec.train.learner import training_prompts
from p5rec.train.training_data import build_training_data

MIXTURE = {
    "next-item": {"share": 4}, "rating": {}, "sequential-next": {}, "sequential-candidates": {},
    "sequential-yesno": {"share": 2}, "direct": {}, "explanation": {},
    "item-text-to-id": {"share": 2}, "item-id-to-text": {},
}  # fmt: skip
STEPS, HELD_OUT = 30, 2  # steps of the first experiment, held-out examples per task
SAME = {"ours": None, "stock": None, "stock, checkpointing": 5}  # steps, None: all
TARGETS = {
    "next-item": "next-item",
    "codes": "next-item",
    "prompts": "sequential-next",
}  # way → task
FAMILY = "sequential-next"


def same_rows(backbone: Mapping[str, Any], **train: Any) -> Generative:
    """The method of the first experiment, one token per code; ``train`` replaces its settings."""
    return Generative.model_validate({
        "backbone": {"items": "tokens", "item_embeddings": False, "normalisation": "vocab",
                     **backbone},
        "train": {"tasks": MIXTURE, "steps": STEPS, "learning_rate": 1e-3, "warmup": 3,
                  "precision": "float32", "max_tokens": 320, "next_item": {"window": 60}, **train},
    })  # fmt: skip


def one_task(task: str, layers: int) -> Generative:
    """The method of the second experiment; with so many steps the learning rate stays constant."""
    return Generative.model_validate({
        "backbone": {"name": "smollm2", "layers": layers},
        "train": {"tasks": {task: {}}, "steps": 3000, "batch": 16, "learning_rate": 2e-3,
                  "embedding_learning_rate": 1e-2, "warmup": 10, "next_item": {"window": 60}},
    })  # fmt: skip


def held_out_loss(contest: Setup, method: Generative) -> Callable[[], float]:
    """The loss on held-out examples, the same for every trainer."""
    bundle = contest.bundle
    other = method.seeded(method.train.seed + 1)
    tasks, _ = build_training_data(other, contest.corpus, bundle, training_prompts(method))
    tables = list(tasks.values())
    task_of, row_of = (a.ravel() for a in np.indices((len(tables), HELD_OUT)))
    ones = np.ones(len(tables), dtype=np.int64)
    collate = Collator(tables, ones, ones, task_of, row_of, bundle.tokenizer.pad_token_id)
    batches = [collate([{"slot": n}]) for n in range(len(task_of))]

    @torch.no_grad()
    def check() -> float:
        training = bundle.model.training
        bundle.model.eval()
        losses = [float(bundle.model(Batch(**batch))["loss"]) for batch in batches]
        bundle.model.train(training)
        return float(np.mean(losses))

    return check


def ndcg(way: str, setup: Setup, users: int) -> Callable[[], float]:
    """Validation NDCG@10 of the model, with the prompts of its training."""
    bundle, decode = setup.bundle, DecodeConfig(k=10, beams=20)
    if way != "prompts":
        figures = validator(setup.corpus, decode, users)
        return lambda: figures(bundle)["NDCG@10"]
    view = bundle.view(setup.corpus)

    def check() -> float:
        predictions: Any = predict_family(bundle, view, FAMILY, "valid", users, decode, 0)
        lists, targets = np.array(predictions.lists), np.array(predictions.items)
        return float(ranking.per_user(lists, targets, (10,))["NDCG@10"].mean())

    return check


def train_same(
    line: Connection, way: str, method: Generative, source: DataConfig = MOVIELENS
) -> None:
    """A process of the first experiment."""
    setup = materialised(setup_of(method, source))
    turns = Turns(line, held_out_loss(setup, method))
    line.send("ready")
    train = ours if way == "ours" else partial(stock, checkpointing="checkpointing" in way)
    losses = train(setup, turns)
    line.send({"losses": losses, **figures(setup, len(losses))})


def train_targets(line: Connection, way: str, method: Generative, users: int) -> None:
    """A process of the second experiment."""
    setup = setup_of(method)
    if way == "codes":
        rows = {"next-item": OneTarget(setup, len(setup.task_of))}
        setup = Setup(method, setup.corpus, setup.bundle, rows, setup.task_of)
    turns = Turns(line, ndcg(way, setup, users))
    line.send("ready")
    losses = ours(setup, turns)
    line.send({"losses": losses, **figures(setup, len(losses) + 1)})


def figures(setup: Setup, steps: int) -> dict[str, Any]:
    """The examples that a trainer read in its steps, and their cost."""
    merged, batch = setup.bundle.model.code_head is not None, setup.method.train.batch
    rows = setup.read(steps)
    loads = [
        load_of(rows[i : i + batch], setup.bundle.layout, merged=merged)
        for i in range(0, len(rows), batch)
    ]
    model = setup.bundle.model
    longest = max(len(row.labels) for row in rows)
    precision = getattr(torch, setup.method.train.precision)
    return {
        "tokens": [load.tokens for load in loads],
        "items": [load.items for load in loads],
        "flops": [flops(model, load) for load in loads],
        "rate": matmul_rate(model, batch * longest, precision),
        "peak": peak_memory(),
    }


def run_same(layers: int, batch: int) -> list[dict[str, Any]]:
    """SFTTrainer and p5rec on the same examples, in turns."""
    backbone = {"name": "smollm2", "layers": layers, "dtype": "float32"}
    table = Table(train_same, {way: (same_rows(backbone, batch=batch),) for way in SAME})
    results = {}
    for step in range(STEPS):
        for way, steps in SAME.items():
            if steps is None or step < steps:
                if step % 6 == 0:
                    table.check(way)
                table.step(way)
            elif way not in results:
                results[way] = table.close(way)
    return [results.get(way) or table.close(way, "go") for way in SAME]


def run_targets(layers: int, budget: float, users: int) -> list[dict[str, Any]]:
    """Full histories and single targets, in turns, each for ``budget`` seconds."""
    arguments = {way: (one_task(task, layers), users) for way, task in TARGETS.items()}
    table = Table(train_targets, arguments)
    due = {way: [budget * 2.0**-n for n in range(5, -1, -1)] for way in TARGETS}
    clock = dict.fromkeys(TARGETS, 0.0)
    while due:
        way = min(due, key=lambda name: clock[name])
        clock[way] = table.step(way)
        if clock[way] >= due[way][0]:
            table.check(way)
            due[way] = [moment for moment in due[way] if moment > clock[way]]
            if not due[way]:
                del due[way]
    return [table.close(way) for way in TARGETS]


def speed(row: dict[str, Any], what: str) -> float:
    """Tokens or items per second of a trainer."""
    steps = len(row["seconds"])
    return float(sum(row[what][:steps]) / sum(row["seconds"]))


def at(checks: list[tuple[float, int, float]], moment: float) -> float:
    """The value at ``moment`` seconds, interpolated between two checks."""
    clocks, _, values = zip(*checks, strict=True)
    return float(np.interp(moment, clocks, values))


def reached(checks: list[tuple[float, int, float]], level: float) -> float:
    """Seconds until ``level`` is first reached, interpolated between two checks."""
    before, seen = 0.0, 0.0
    for clock, _, value in checks:
        if value >= level:
            return before + (clock - before) * (level - seen) / (value - seen)
        before, seen = clock, value
    return float("nan")


def above_floor(row: dict[str, Any]) -> float:
    """The ratio of a trainer's time to the lower bound."""
    steps = len(row["seconds"])
    return float(sum(row["seconds"]) * row["rate"] / sum(row["flops"][:steps]))


def sooner(fast: dict[str, Any], slow: dict[str, Any]) -> float:
    """The relative time in which the fast trainer reaches the best value of the slow one."""
    level = max(value for _, _, value in slow["checks"])
    return reached(fast["checks"], level) / reached(slow["checks"], level)


def summarise(same: list[dict[str, Any]], targets: list[dict[str, Any]]) -> dict[str, Any]:
    """The summary of both experiments."""
    own, theirs, checked = same
    gap = np.abs(np.array(own["losses"]) / np.array(theirs["losses"]) - 1).max()
    few = len(checked["seconds"])
    equal = min(sum(own["seconds"]), sum(theirs["seconds"]))
    next_item, codes, prompts = targets
    return {
        "tokens_ratio": speed(own, "tokens") / speed(theirs, "tokens"),
        "tokens_ratio_checkpointing": sum(checked["seconds"]) / sum(own["seconds"][:few]),
        "loss_gap": float(gap),
        "memory_ratio": own["peak"] / theirs["peak"],
        "floor_ratio": above_floor(own),
        "floor_ratio_bfloat16": above_floor(next_item),
        "equal_time_loss": {w["way"]: at(w["checks"], equal) for w in (own, theirs)},
        "positions_ratio": speed(next_item, "items") / speed(prompts, "items"),
        "positions_ratio_codes": speed(next_item, "items") / speed(codes, "items"),
        "time_ratio": sooner(next_item, prompts),
        "time_ratio_codes": sooner(next_item, codes),
        "best": {w["way"]: max(value for _, _, value in w["checks"]) for w in targets},
    }


def plot(same: list[dict[str, Any]], targets: list[dict[str, Any]], path: Path) -> None:
    """Plots losses of the first experiment and validation of the second, over wall time."""
    from matplotlib.figure import Figure

    colors = ("#c0504d", "#3b6ea5", "#8a8a8a")
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row, color in zip(same, colors, strict=True):
        checks = np.array(row["checks"])
        left.plot(
            checks[:, 0], checks[:, 2], color=color, label=row["way"], marker="o", markersize=4
        )
    left.set(xlabel="seconds of training", title="loss on held-out examples")
    names = {
        "next-item": "whole histories",
        "codes": "one target, item codes",
        "prompts": "one target, prompts",
    }
    for row, color in zip(targets, ("#c0504d", "#2e8b57", "#3b6ea5"), strict=True):
        checks = np.array(row["checks"])
        right.plot(
            checks[:, 0],
            checks[:, 2],
            color=color,
            label=names[row["way"]],
            marker="o",
            markersize=4,
        )
    right.set(xscale="log", xlabel="seconds of training", title="validation NDCG@10, ml-100k")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e5e5")
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=130)


def show(rows: list[dict[str, Any]]) -> None:
    """Prints one line per trainer."""
    for row in rows:
        checks = ", ".join(f"{value:.4f} at {clock:.0f} s" for clock, _, value in row["checks"])
        print(
            f"{row['way']:<21} {len(row['seconds']):>4} steps, {speed(row, 'tokens'):8.1f} "
            f"tokens/s, {speed(row, 'items'):8.1f} target items/s, "
            f"peak {row['peak'] / 2**20:6.0f} MiB; {checks}",
            flush=True,
        )


def main() -> None:
    """Parses the command line; prints the trainers and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    started = time.perf_counter()
    same = run_same(layers=4, batch=2) if options.quick else run_same(layers=30, batch=2)
    show(same)
    targets = run_targets(2, 24.0, 200) if options.quick else run_targets(6, 120.0, 300)
    show(targets)
    summary = summarise(same, targets)
    print(json.dumps(summary))
    if options.json:
        about = {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "seconds": time.perf_counter() - started,
        }
        cases = {"same rows": same, "targets": targets}
        options.json.write_text(json.dumps({"summary": summary, "about": about, "cases": cases}))
    if options.plot:
        plot(same, targets, options.plot)


if __name__ == "__main__":
    main()
