"""How long one more query takes once a model is loaded, and what a batch of them costs.

python scripts/bench_query.py [--items 1682 100000] [--queries 300] [--json out.json]

Builds the network of ``recipes/configs/sft/hybrid.yaml`` with drawn weights and codes, saves it and
loads it as ``p5rec recommend`` does; the hybrid adds item-to-item weights, drawn as well. Histories
of 20 to 200 items are then asked for ten items each, seen ones left out: one at a time on one
thread, the median and the 95th percentile of which are told without the first few, and 256 at a
time. Beside it stands EASE, where its square matrix is not larger than a method is allowed to make
it. Drawn weights answer nothing; how long they take is what trained ones take.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from p5rec.backbones.scratch import Scratch
from p5rec.core.rng import derive_rng
from p5rec.core.types import Histories, ItemCodes
from p5rec.methods.baselines.ease import Ease, EasePredictor
from p5rec.methods.baselines.item_to_item import ItemToItem, ItemToItemPredictor
from p5rec.methods.fusion.predictor import FusionPredictor
from p5rec.methods.generative.predictor import ScoringPredictor
from p5rec.models.checkpoint import BundleSettings, build, load_bundle, save_bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.recommend.config import DecodeConfig

K, BATCH, FIRST = 10, 256, 5
SHAPE = Scratch(width=64, layers=1, heads=2, feedforward=128, dropout=0.2)
SEARCHES = {
    "network": DecodeConfig(search="item-head"),
    "network, by codes": DecodeConfig(search="auto"),
}


def network(items: int, folder: Path) -> None:
    """Saves a network over ``items`` items."""
    rng = derive_rng(0, "bench query", items)
    book = 2 ** int(np.ceil(np.log2(2 * items) / 2))
    flat = rng.choice(book * book, items, replace=False)
    codes = np.stack(np.divmod(flat, book), axis=1).astype(np.int32)
    head = ItemHeadConfig(spread=0.16)
    settings = BundleSettings(backbone=SHAPE, seed=0, item_head=head)
    ids = [f"i{row}" for row in range(items)]
    bundle = build(settings, ItemCodes(codes, (book, book), "drawn"), ids)
    bundle.model.draw_rows(torch.ones(items, dtype=torch.bool))
    save_bundle(bundle, folder)


def linear(items: int) -> ItemToItemPredictor:
    """Item-to-item weights over ``items`` items."""
    rng, kept = derive_rng(0, "bench query", "linear"), min(items, ItemToItem().max_neighbours)
    columns = np.sort(rng.integers(0, items, (items, kept)), axis=1)
    data = rng.normal(0.02, 0.05, items * kept).astype(np.float32)
    starts = np.arange(items + 1) * kept
    weights = csr_array((data, columns.ravel(), starts), shape=(items, items))
    weights.sum_duplicates()
    return ItemToItemPredictor(weights, np.ones(items, dtype=np.float32), rng.permutation(items))


def ease(items: int) -> EasePredictor:
    """An EASE over ``items`` items."""
    rng = derive_rng(0, "bench query", "ease")
    weights = rng.normal(0, 0.05, (items, items)).astype(np.float32)
    return EasePredictor(weights, rng.permutation(items), None)


def histories(items: int, count: int) -> Histories:
    """``count`` drawn requests."""
    rng = derive_rng(0, "bench query", "histories")
    offsets = np.append(0, np.cumsum(rng.integers(20, 201, count)))
    drawn = rng.integers(0, items, offsets[-1]).astype(np.int32)
    return Histories(np.arange(count, dtype=np.int32), drawn, offsets)


def measured(ask: Callable[[Histories], Any], requests: Histories) -> dict[str, float]:
    """Milliseconds of a query that comes alone, of the first one, and of one among many."""
    alone = []
    for row in range(len(requests)):
        one = requests.take(np.array([row]))
        started = time.perf_counter()
        ask(one)
        alone.append(1000 * (time.perf_counter() - started))
    many = requests.take(np.arange(BATCH) % len(requests))
    together = []
    for _ in range(3):
        started = time.perf_counter()
        ask(many)
        together.append(1000 * (time.perf_counter() - started) / BATCH)
    rest = np.array(alone[FIRST:])
    return {
        "first": alone[0],
        "median": float(np.median(rest)),
        "p95": float(np.quantile(rest, 0.95)),
        "in_batch": float(np.median(together)),
    }


def of(items: int, queries: int) -> dict[str, dict[str, float]]:
    """The figures of every predictor over ``items`` items."""
    requests = histories(items, queries)
    predictors: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        network(items, Path(folder))
        for name, decode in SEARCHES.items():
            bundle = load_bundle(Path(folder)).ready()
            predictors[name] = ScoringPredictor(bundle, decode)
    parts, tie = ((1.0, predictors["network"]), (1.0, linear(items))), np.arange(items)
    predictors["hybrid"] = FusionPredictor(parts, tie)
    if items <= Ease().max_items:
        predictors["EASE"] = ease(items)
    return {
        name: measured(lambda asked, of=each: of.recommend(asked, K), requests)
        for name, each in predictors.items()
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1682, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {items: of(items, asked.queries) for items in asked.items}
    print("| items | predictor | first, ms | median, ms | 95 %, ms | each of 256, ms |")
    print("|---|---|---|---|---|---|")
    for items, rows in found.items():
        for name, ms in rows.items():
            figures = " | ".join(f"{ms[key]:.2f}" for key in ("first", "median", "p95", "in_batch"))
            print(f"| {items:,} | {name} | {figures} |")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
