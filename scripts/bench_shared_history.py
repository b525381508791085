"""Training on prompts that share a history, against prompts that each repeat a part of it.

python scripts/bench_shared_history.py [--prompts 32] [--window 80] [--steps 6] [--mask]
    [--json out.json]

The 16-block cut of SmolLM2-135M of the recipe `families` trains on MovieLens 100k (bfloat16, one
thread): forward and backward passes over prompts of one family at a time, and over the mix of the
recipe's families about users. Separate prompts show at most 5 items of the history, as in the
recipe; shared ones the whole window, whose next items and ratings are trained in the same pass.
Both take turns. Measured: answers (prompts with their targets) per processor second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trainers import setup_of

from p5rec.backbones.tree_attention import use_tree_attention
from p5rec.methods.generative.method import Generative
from p5rec.models.multitask import Batch
from p5rec.report.markdown import table
from p5rec.train.schedule import Schedule

CUT = [0, 1, 2, 8, 9, 10, 11, 16, 19, 20, 21, 22, 24, 27, 28, 29]
SHARES = {
    "rating": 2, "sequential-next": 3, "sequential-candidates": 2, "sequential-yesno": 2,
    "direct": 2, "explanation": 1,
}  # fmt: skip
HISTORIES = {"next-item": {"share": 3}, "rating-sequence": {"share": 2}}


def method(
    tasks: Mapping[str, Any], batch: int, options: argparse.Namespace, *, shared: bool
) -> Any:
    """The recipe's model on ``tasks``."""
    train = {
        "tasks": tasks, "steps": options.steps, "batch": batch, "max_tokens": 200,
        "next_item": {"window": options.window},
    }  # fmt: skip
    if shared:
        train |= {"shared_history": {"prompts": options.prompts}, "tasks": {**HISTORIES, **tasks}}
    return Generative.model_validate({
        "backbone": {"name": "smollm2", "layers": CUT},
        "prompts": {"max_history": 5, "candidates": 5},
        "train": train,
    })  # fmt: skip


def steps_of(chosen: Generative, *, mask: bool) -> Iterator[tuple[float, int]]:
    """Seconds and answers of each step."""
    setup = setup_of(chosen, rated=True)
    model, train = setup.bundle.model.train(), chosen.train
    if not mask:
        use_tree_attention(model.causal)
    schedule = Schedule(setup.rows, setup.task_of, train)
    collate = schedule.collator(setup.bundle.tokenizer.pad_token_id, None)
    for step in range(train.steps):
        slots = schedule.order[step * train.slots : (step + 1) * train.slots]
        batch = collate([{"slot": int(slot)} for slot in slots])
        started = time.process_time()
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            model(Batch(**batch))["loss"].backward()
        seconds = time.process_time() - started
        if "after" in batch:
            documents, after = batch["documents"], batch["after"]
            pairs = torch.stack([documents, torch.arange(len(after))[:, None] + 0 * after])
            answers = int(pairs[:, after >= 0].unique(dim=1).shape[1])
        else:
            answers = len(batch["labels"])
        yield seconds, answers


def rates(tasks: Mapping[str, Any], options: argparse.Namespace) -> tuple[float, float]:
    """Answers per second of separate prompts and of shared histories."""
    ways = (
        steps_of(method(tasks, 16, options, shared=False), mask=options.mask),
        steps_of(method(tasks, options.histories, options, shared=True), mask=options.mask),
    )
    measured = [np.array(steps) for steps in zip(*zip(*ways, strict=True), strict=True)]
    separate, shared = (
        answers.sum() / seconds.sum() for seconds, answers in (each[1:].T for each in measured)
    )  # the first step warms up
    return float(separate), float(shared)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--window", type=int, default=80)
    parser.add_argument("--histories", type=int, default=2, help="histories in a batch")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--mask", action="store_true", help="attention by a mask, not in blocks")
    parser.add_argument("--families", nargs="*", default=list(SHARES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    mixes = {"all": {name: {"share": share} for name, share in SHARES.items()}}
    found = {
        name: rates(tasks, options)
        for name, tasks in (mixes | {name: {name: {}} for name in options.families}).items()
    }
    rows = [
        [name, f"{separate:.1f}", f"{shared:.1f}", f"{shared / separate:.2f}"]
        for name, (separate, shared) in found.items()
    ]
    head = ["families", "separate, answers/s", "shared, answers/s", "ratio"]
    print("\n".join(table(head, rows)))
    if options.json is not None:
        options.json.write_text(
            json.dumps({"options": vars(options) | {"json": None}, "rates": found})
        )


if __name__ == "__main__":
    main()
