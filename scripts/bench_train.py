"""Training against stock ``trl.SFTTrainer``, and whole histories against one target a prompt.

python scripts/bench_train.py [--json out.json] [--plot out.png] [--quick]

First, SmolLM2-135M as a plain language model (a token a code, softmax over the vocabulary, float32)
learns the same rows, histories and prompts of MovieLens 100k mixed, with the same adapters and new
token rows from the same start, once by ``SFTTrainer``, without and with the gradient checkpointing
that it switches on by default, and once by p5rec: losses step by step, tokens a second, peak
memory, the loss on held-out rows at equal wall time, and the distance to the floor, the time that
the matrix products alone would take at the rate this machine reaches on the blocks' own shapes.

Second, a shallow SmolLM2 learns MovieLens 100k from whole histories in which every item is a target
(``dense``), from one-target rows of item codes, and from the prompts of ``sequential-next``: item
positions taught a second, and validation NDCG@10 over wall time.

The ways take turns step by step, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_ways import (
    MOVIELENS,
    Contest,
    OneTarget,
    Turns,
    contest,
    listed,
    ours,
    peak_memory,
    stock,
)

from p5rec.data.config import DataConfig
from p5rec.methods.generative.method import Generative
from p5rec.metrics import ranking
from p5rec.models.multitask import Batch
from p5rec.recommend.ask import ask
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.validate import validator
from p5rec.train.estimate.cost import flops, load_of, matmul_rate
from p5rec.train.examples.collate import Collator
from p5rec.train.learner import taught_prompts
from p5rec.train.training_data import build_training_data

MIXTURE = {
    "dense": {"share": 4}, "rating": {}, "sequential-next": {}, "sequential-candidates": {},
    "sequential-yesno": {"share": 2}, "direct": {}, "explanation": {},
    "item-text-to-id": {"share": 2}, "item-id-to-text": {},
}  # fmt: skip
STEPS, HELD_OUT = 30, 2  # steps of the first part, rows a task that measure it
SAME = {"ours": None, "stock": None, "stock, checkpointing": 5}  # steps, None: all
TARGETS = {"dense": "dense", "codes": "dense", "prompts": "sequential-next"}  # way → task
FAMILY = "sequential-next"


def same_rows(backbone: Mapping[str, Any], **train: Any) -> Generative:
    """The first part's method, a token a code; ``train`` takes the place of single settings."""
    return Generative.model_validate({
        "backbone": {"items": "tokens", "item_rows": False, "normalisation": "vocab", **backbone},
        "train": {"tasks": MIXTURE, "steps": STEPS, "learning_rate": 1e-3, "warmup": 3,
                  "precision": "float32", "max_tokens": 320, "dense": {"window": 60}, **train},
    })  # fmt: skip


def one_task(task: str, layers: int) -> Generative:
    """The second part's method, more steps than anybody takes: the rate stays what it is."""
    return Generative.model_validate({
        "backbone": {"name": "smollm2", "layers": layers},
        "train": {"tasks": {task: {}}, "steps": 3000, "batch": 16, "learning_rate": 2e-3,
                  "row_learning_rate": 1e-2, "warmup": 10, "dense": {"window": 60}},
    })  # fmt: skip


def held_out_loss(contest: Contest, method: Generative) -> Callable[[], float]:
    """The loss on rows that nobody trains on, the same for every way."""
    bundle = contest.bundle
    other = method.seeded(method.train.seed + 1)
    tasks, _ = build_training_data(other, contest.corpus, bundle, taught_prompts(method))
    tables = list(tasks.values())
    task_of, row_of = (a.ravel() for a in np.indices((len(tables), HELD_OUT)))
    ones = np.ones(len(tables), dtype=np.int64)
    collate = Collator(tables, ones, ones, task_of, row_of, bundle.tokenizer.pad_token_id)
    batches = [collate([{"slot": n}]) for n in range(len(task_of))]

    @torch.no_grad()
    def look() -> float:
        training = bundle.model.training
        bundle.model.eval()
        losses = [float(bundle.model(Batch(**batch))["loss"]) for batch in batches]
        bundle.model.train(training)
        return float(np.mean(losses))

    return look


def ndcg(way: str, lesson: Contest, users: int) -> Callable[[], float]:
    """Validation NDCG@10 of the model, asked as it was taught."""
    bundle, decode = lesson.bundle, DecodeConfig(k=10, beams=20)
    if way != "prompts":
        figures = validator(lesson.corpus, decode, users)
        return lambda: figures(bundle)["NDCG@10"]
    view = bundle.view(lesson.corpus)

    def look() -> float:
        answers: Any = ask(bundle, view, FAMILY, "valid", users, decode, 0)
        found = ranking.per_user(np.array(answers.lists), np.array(answers.items), (10,))
        return float(found["NDCG@10"].mean())

    return look


def learn_same(
    line: Connection, way: str, method: Generative, source: DataConfig = MOVIELENS
) -> None:
    """A process of the first part."""
    lesson = listed(contest(method, source))
    turns = Turns(line, held_out_loss(lesson, method))
    line.send("ready")
    train = ours if way == "ours" else partial(stock, checkpointing="checkpointing" in way)
    losses = train(lesson, turns)
    line.send({"losses": losses, **figures(lesson, len(losses))})


def learn_targets(line: Connection, way: str, method: Generative, users: int) -> None:
    """A process of the second part."""
    lesson = contest(method)
    if way == "codes":
        rows = {"dense": OneTarget(lesson, len(lesson.task_of))}
        lesson = Contest(method, lesson.corpus, lesson.bundle, rows, lesson.task_of)
    turns = Turns(line, ndcg(way, lesson, users))
    line.send("ready")
    losses = ours(lesson, turns)
    line.send({"losses": losses, **figures(lesson, len(losses) + 1)})


def figures(lesson: Contest, steps: int) -> dict[str, Any]:
    """What a way read in its steps, and what that had to cost."""
    merged, batch = lesson.bundle.model.code_head is not None, lesson.method.train.batch
    rows = lesson.read(steps)
    loads = [
        load_of(rows[i : i + batch], lesson.bundle.layout, merged=merged)
        for i in range(0, len(rows), batch)
    ]
    model = lesson.bundle.model
    longest = max(len(row.labels) for row in rows)
    precision = getattr(torch, lesson.method.train.precision)
    return {
        "tokens": [load.tokens for load in loads],
        "items": [load.items for load in loads],
        "flops": [flops(model, load) for load in loads],
        "rate": matmul_rate(model, batch * longest, precision),
        "peak": peak_memory(),
    }


def answering(target: Callable[..., None], line: Connection, *arguments: Any) -> None:
    """Runs ``target(line, *arguments)``; if it fails, the other side hears why."""
    try:
        target(line, *arguments)
    except Exception as error:
        line.send(RuntimeError(f"{type(error).__name__}: {error}"))
        raise


class Table:
    """The ways at one table: who trains is the one whose clock shows least.

    Args:
        target: what a process runs: ``target(line, way, *arguments)``.
        arguments: of each way.
        start: how processes start; ``fork`` is soon done, and no way for a GPU.
    """

    def __init__(
        self,
        target: Callable[..., None],
        arguments: dict[str, tuple[Any, ...]],
        start: str = "spawn",
    ) -> None:
        context: Any = get_context(start)
        self.lines: dict[str, Connection] = {}
        for way, given in arguments.items():
            self.lines[way], theirs = context.Pipe()
            process = context.Process(target=answering, args=(target, theirs, way, *given))
            process.daemon = True
            process.start()
            self.heard(way)
        self.seconds: dict[str, list[float]] = {way: [] for way in arguments}
        self.looks: dict[str, list[tuple[float, int, float]]] = {way: [] for way in arguments}

    def heard(self, way: str) -> Any:
        """What the way says next; raises what ended it."""
        word = self.lines[way].recv()
        if isinstance(word, Exception):
            raise word
        return word

    def step(self, way: str) -> float:
        """One step; the way's clock after it."""
        self.lines[way].send("go")
        self.seconds[way].append(self.heard(way))
        return sum(self.seconds[way])

    def look(self, way: str) -> None:
        """Measures the way's model, off the clock."""
        self.lines[way].send("look")
        clock, steps = sum(self.seconds[way]), len(self.seconds[way])
        self.looks[way].append((clock, steps, self.heard(way)))

    def close(self, way: str, word: str = "enough") -> dict[str, Any]:
        """What the way has to tell, at its end."""
        self.lines[way].send(word)
        told: dict[str, Any] = self.heard(way)
        return {"way": way, "seconds": self.seconds[way], "looks": self.looks[way], **told}


def part_same(layers: int, batch: int) -> list[dict[str, Any]]:
    """Stock and ours on the same rows, in turns."""
    backbone = {"name": "smollm2", "layers": layers, "dtype": "float32"}
    table = Table(learn_same, {way: (same_rows(backbone, batch=batch),) for way in SAME})
    told = {}
    for step in range(STEPS):
        for way, steps in SAME.items():
            if steps is None or step < steps:
                if step % 6 == 0:
                    table.look(way)
                table.step(way)
            elif way not in told:
                told[way] = table.close(way)
    return [told.get(way) or table.close(way, "go") for way in SAME]


def part_targets(layers: int, budget: float, users: int) -> list[dict[str, Any]]:
    """Whole histories and single targets, in turns, each for ``budget`` seconds of its own."""
    arguments = {way: (one_task(task, layers), users) for way, task in TARGETS.items()}
    table = Table(learn_targets, arguments)
    due = {way: [budget * 2.0**-n for n in range(5, -1, -1)] for way in TARGETS}
    clock = dict.fromkeys(TARGETS, 0.0)
    while due:
        way = min(due, key=lambda name: clock[name])
        clock[way] = table.step(way)
        if clock[way] >= due[way][0]:
            table.look(way)
            due[way] = [moment for moment in due[way] if moment > clock[way]]
            if not due[way]:
                del due[way]
    return [table.close(way) for way in TARGETS]


def speed(row: dict[str, Any], what: str) -> float:
    """Tokens or items a second of a way, over the steps it took."""
    steps = len(row["seconds"])
    return float(sum(row[what][:steps]) / sum(row["seconds"]))


def at(looks: list[tuple[float, int, float]], moment: float) -> float:
    """What was seen at ``moment`` seconds, on a straight line between two looks."""
    clocks, _, values = zip(*looks, strict=True)
    return float(np.interp(moment, clocks, values))


def reached(looks: list[tuple[float, int, float]], level: float) -> float:
    """Seconds until ``level`` is first seen, on a straight line between two looks."""
    before, seen = 0.0, 0.0
    for clock, _, value in looks:
        if value >= level:
            return before + (clock - before) * (level - seen) / (value - seen)
        before, seen = clock, value
    return float("nan")


def above_floor(row: dict[str, Any]) -> float:
    """Times the floor that a way's steps took."""
    steps = len(row["seconds"])
    return float(sum(row["seconds"]) * row["rate"] / sum(row["flops"][:steps]))


def sooner(fast: dict[str, Any], slow: dict[str, Any]) -> float:
    """The share of the slow way's time in which the fast one reaches the best of the slow one."""
    level = max(value for _, _, value in slow["looks"])
    return reached(fast["looks"], level) / reached(slow["looks"], level)


def summarise(same: list[dict[str, Any]], targets: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that matter."""
    mine, theirs, checked = same
    gap = np.abs(np.array(mine["losses"]) / np.array(theirs["losses"]) - 1).max()
    few = len(checked["seconds"])
    equal = min(sum(mine["seconds"]), sum(theirs["seconds"]))
    dense, codes, prompts = targets
    return {
        "tokens_ratio": speed(mine, "tokens") / speed(theirs, "tokens"),
        "tokens_ratio_checkpointing": sum(checked["seconds"]) / sum(mine["seconds"][:few]),
        "loss_gap": float(gap),
        "memory_ratio": mine["peak"] / theirs["peak"],
        "floor_ratio": above_floor(mine),
        "floor_ratio_bfloat16": above_floor(dense),
        "equal_time_loss": {w["way"]: at(w["looks"], equal) for w in (mine, theirs)},
        "positions_ratio": speed(dense, "items") / speed(prompts, "items"),
        "positions_ratio_codes": speed(dense, "items") / speed(codes, "items"),
        "time_ratio": sooner(dense, prompts),
        "time_ratio_codes": sooner(dense, codes),
        "best": {w["way"]: max(value for _, _, value in w["looks"]) for w in targets},
    }


def plot(same: list[dict[str, Any]], targets: list[dict[str, Any]], path: Path) -> None:
    """Losses of the first part and validation of the second, both over wall time."""
    from matplotlib.figure import Figure

    colors = ("#c0504d", "#3b6ea5", "#8a8a8a")
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row, color in zip(same, colors, strict=True):
        looks = np.array(row["looks"])
        left.plot(looks[:, 0], looks[:, 2], color=color, label=row["way"], marker="o", markersize=4)
    left.set(xlabel="seconds of training", title="loss on held-out rows, the same rows trained")
    names = {
        "dense": "whole histories",
        "codes": "one target, item codes",
        "prompts": "one target, prompts",
    }
    for row, color in zip(targets, ("#c0504d", "#2e8b57", "#3b6ea5"), strict=True):
        looks = np.array(row["looks"])
        right.plot(
            looks[:, 0], looks[:, 2], color=color, label=names[row["way"]], marker="o", markersize=4
        )
    right.set(xscale="log", xlabel="seconds of training", title="validation NDCG@10, ml-100k")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e5e5")
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=130)


def tell(rows: list[dict[str, Any]]) -> None:
    """A line a way."""
    for row in rows:
        looks = ", ".join(f"{value:.4f} at {clock:.0f} s" for clock, _, value in row["looks"])
        print(
            f"{row['way']:<21} {len(row['seconds']):>4} steps, {speed(row, 'tokens'):8.1f} "
            f"tokens/s, {speed(row, 'items'):8.1f} items taught/s, "
            f"peak {row['peak'] / 2**20:6.0f} MiB; {looks}",
            flush=True,
        )


def main() -> None:
    """Reads the command line; prints the ways and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    started = time.perf_counter()
    same = part_same(layers=4, batch=2) if asked.quick else part_same(layers=30, batch=2)
    tell(same)
    targets = part_targets(2, 24.0, 200) if asked.quick else part_targets(6, 120.0, 300)
    tell(targets)
    summary = summarise(same, targets)
    print(json.dumps(summary))
    if asked.json:
        about = {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "seconds": time.perf_counter() - started,
        }
        cases = {"same rows": same, "targets": targets}
        asked.json.write_text(json.dumps({"summary": summary, "about": about, "cases": cases}))
    if asked.plot:
        plot(same, targets, asked.plot)


if __name__ == "__main__":
    main()
