"""Speed of the click networks beside deepctr-torch: training and scoring.

scripts/oracle_clicks bench [--rows 60000] [--rounds 3] [--json out.json]

Training: epochs over the same random instances in batches of 2,048, by each library's own loop,
with equal networks, Adam and no penalty. Scoring: p5rec scores the candidates of one
request, deepctr-torch as many pairs. The two libraries take turns; the best round of each counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from deepctr_models import Fields, Problem, ours, theirs
from torch import Tensor

from p5rec.methods.baselines.fitting import updates, with_average
from p5rec.methods.click.encoding import Encoded
from p5rec.methods.click.training import losses, optimizer_of

WIDTH, BATCH = 16, 2048
USER = {"user": 6040, "gender": 2, "age": 7, "job": 21}
ITEM = {"item": 3700, "year": 18, "studio": 40}
HISTORY = 20
TRAINED = {"deepfm": 3.0, "dcnv2": None, "autoint": None, "din": 1.5}  # and the least ratio
SCORED = {"deepfm": 100_000, "dcnv2": 100_000, "din": 25_000}  # pairs a second, at least


def our_epoch(kind: str, problem: Problem) -> Callable[[], None]:
    """One epoch of p5rec's training, with its field dropout and its average of the weights."""
    model = ours(kind, problem, WIDTH)
    _, mean = with_average(model, 100)
    optimizer = optimizer_of(model, 1e-3, (0, 0))

    def run() -> None:
        updates(losses(model, encoded(problem), problem.labels, BATCH, 0.02), optimizer, mean)

    return run


def encoded(problem: Problem) -> Encoded:
    """The instances as a fit encodes them."""
    users, items, context, events = problem.instances
    if events is None:
        return Encoded(users, items, context, None)
    lengths = events.real.sum(1)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    ends = torch.tensor([-1]), torch.tensor([0])
    columns = (
        torch.cat([each[events.real], end])
        for each, end in zip((events.items, events.labels), ends, strict=True)
    )
    return Encoded(users, items, context, (*columns, offsets))


def their_epoch(kind: str, problem: Problem) -> Callable[[], None]:
    """One epoch of deepctr-torch's training."""
    model = theirs(kind, problem.fields, WIDTH)
    model.compile("adam", "binary_crossentropy")
    columns, labels = problem.columns(), problem.labels.numpy()

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(dict(columns), labels, batch_size=BATCH, epochs=1, verbose=0)

    return run


def our_scoring(kind: str, problem: Problem, candidates: Tensor) -> Callable[[], None]:
    """Scores ``candidates`` for one request, whose history is read once."""
    model = ours(kind, problem, WIDTH).eval()
    one = encoded(problem).take(torch.arange(1), HISTORY)

    @torch.inference_mode()
    def run() -> None:
        model.rank(one, model.fields.of_items(candidates))

    return run


def their_scoring(kind: str, problem: Problem, candidates: Tensor) -> Callable[[], None]:
    """Predicts as many pairs."""
    model = theirs(kind, problem.fields, WIDTH)
    columns = {name: each[: len(candidates)] for name, each in problem.columns().items()}

    def run() -> None:
        model.predict(dict(columns), batch_size=BATCH)

    return run


def best(runs: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """The seconds of each run in its best round; they take turns, after a first run each."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(own[1:]) for name, own in seconds.items()}


def main() -> None:
    """Prints a table for training and one for scoring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of scoring; training has one")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"training": {}, "scoring": {}}
    torch.set_num_threads(1)
    print("| training | p5rec, instances/s | deepctr-torch | ratio | bar |\n|---|---|---|---|---|")
    for kind, bar in TRAINED.items():
        problem = Problem.of(fields_of(kind), options.rows)
        runs = {"ours": our_epoch(kind, problem), "theirs": their_epoch(kind, problem)}
        seconds = best(runs, options.rounds)
        own, other = (options.rows / seconds[name] for name in ("ours", "theirs"))
        results["training"][kind] = {"ours": own, "theirs": other, "ratio": own / other}
        print(
            f"| {kind} | {own:,.0f} | {other:,.0f} | {own / other:.2f} | {bar or ''} |", flush=True
        )
    torch.set_num_threads(options.threads)
    print("\n| scoring | p5rec, pairs/s | deepctr-torch | ratio | bar |\n|---|---|---|---|---|")
    for kind, least in SCORED.items():
        problem = Problem.of(fields_of(kind), options.rows)
        candidates = problem.instances.items
        runs = {
            "ours": our_scoring(kind, problem, candidates),
            "theirs": their_scoring(kind, problem, candidates),
        }
        seconds = best(runs, options.rounds)
        own, other = (len(candidates) / seconds[name] for name in ("ours", "theirs"))
        results["scoring"][kind] = {"ours": own, "theirs": other, "ratio": own / other}
        print(f"| {kind} | {own:,.0f} | {other:,.0f} | {own / other:.2f} | {least:,} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def fields_of(kind: str) -> Fields:
    """The fields of the benchmark: DIN also has histories."""
    return Fields(USER, ITEM, history=HISTORY if kind == "din" else 0)


if __name__ == "__main__":
    main()
