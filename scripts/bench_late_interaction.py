"""Latency of M6-Rec models: of a request that ranks candidates, and of a pair of user and item.

python scripts/bench_late_interaction.py RUN late student [--candidates 100] [--requests 30]

The models are those of a run's folder. Requests have random histories as long as the models read.
They alternate between the models, so that other load on the machine affects all alike. A request
reads its history once for all candidates; a pair, one of a batch, reads it with its item. One
thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p5rec.core.rng import derive_rng
from p5rec.core.types import Histories
from p5rec.decode.allowed import Allowed
from p5rec.methods.folder import read_method

K = 10


def requests(items: int, length: int, count: int) -> Histories:
    """``count`` random requests with labelled histories of one ``length``."""
    rng = derive_rng(0, "bench late interaction")
    events = rng.integers(0, items, count * length).astype(np.int32)
    labels = rng.integers(0, 2, count * length).astype(np.int8)
    offsets = np.arange(count + 1, dtype=np.int64) * length
    return Histories(np.full(count, -1, np.int32), events, offsets, labels=labels)


def seconds(work: Callable[[], Any]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def tokens(model: Any, one: Histories, items: np.ndarray) -> int:
    """The positions that ranking ``items (n,)`` for one request reads."""
    segments, reader = model.reader.segments, model.reader
    prefix, _ = segments.prefixes(one, reader.method.history)
    read = segments.states.lengths[np.append(prefix, segments.items[items])]
    return int(read.sum()) + reader.method.soft_prompts


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a run with saved models")
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--requests", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {}
    for name in options.methods:
        folder = options.run / "models" / name
        models[name] = read_method(folder).load(folder)
    spent: dict[str, list[list[float]]] = {name: [] for name in models}
    first = next(iter(models.values()))
    count, length = len(first.tie), first.reader.method.history
    asked = requests(count, length, options.requests)
    rng = derive_rng(0, "bench candidates")
    for row in range(len(asked)):
        items = np.sort(rng.permutation(count)[: options.candidates])
        one, many = asked.take(np.array([row])), asked.take(np.full(len(items), row))
        allowed = Allowed(candidates=np.isin(np.arange(count), items))
        for name, model in models.items():
            request = seconds(partial(model.recommend, one, K, allowed=allowed))
            pairs = seconds(partial(model.predict_click, many, items))
            spent[name].append([request, pairs / len(items), tokens(model, one, items)])
    print("| model | blocks | stored MB | tokens per request | ms per request | ms per pair |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, model in models.items():
        request, pair, read = np.median(np.array(spent[name])[2:], axis=0)
        blocks = len(model.reader.model.upper.layers)
        stored = model.reader.segments.states.states.nbytes / 1e6
        times = f"{1000 * request:.0f} | {1000 * pair:.1f}"
        print(f"| {name} | {blocks} | {stored:.0f} | {read:,.0f} | {times} |")


if __name__ == "__main__":
    main()
