"""Latency of a query to a loaded model, alone and in a batch.

python scripts/bench_query.py [--items 1682 100000] [--queries 300] [--json out.json]

Builds the network of ``recipes/configs/sft/hybrid.yaml`` with random weights and codes, saves it
and loads it like ``p5rec recommend``; the hybrid adds random item-to-item weights. Histories of 20
to 200 items get ten recommendations each, without seen items: one at a time on one thread (median
and 95th percentile, without the first few), and 256 at a time. EASE is measured as well if its
square matrix is within the limit. Random weights take the same time as trained ones.
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
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import derive_rng
from p5rec.core.types import Histories
from p5rec.methods.baselines.ease import Ease, EasePredictor
from p5rec.methods.baselines.item_to_item import ItemToItem, ItemToItemPredictor
from p5rec.methods.fusion.predictor import FusionPredictor
from p5rec.methods.generative.predictor import ScoringPredictor
from p5rec.models.bundle import BundleSettings, build
from p5rec.models.checkpoint import load_bundle, save_bundle
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
    head = ItemHeadConfig(init_std=0.16)
    settings = BundleSettings(backbone=SHAPE, seed=0, item_head=head)
    ids = [f"i{row}" for row in range(items)]
    bundle = build(settings, ItemCodes(codes, (book, book), "drawn"), ids)
    bundle.model.init_item_embeddings(torch.ones(items, dtype=torch.bool))
    save_bundle(bundle, folder)


def item_to_item(items: int) -> ItemToItemPredictor:
    """Item-to-item weights over ``items`` items."""
    rng, neighbours = (
        derive_rng(0, "bench query", "linear"),
        min(items, ItemToItem().max_neighbours),
    )
    columns = np.sort(rng.integers(0, items, (items, neighbours)), axis=1)
    data = rng.normal(0.02, 0.05, items * neighbours).astype(np.float32)
    starts = np.arange(items + 1) * neighbours
    weights = csr_array((data, columns.ravel(), starts), shape=(items, items))
    weights.sum_duplicates()
    return ItemToItemPredictor(weights, np.ones(items, dtype=np.float32), rng.permutation(items))


def ease(items: int) -> EasePredictor:
    """An EASE over ``items`` items."""
    rng = derive_rng(0, "bench query", "ease")
    weights = rng.normal(0, 0.05, (items, items)).astype(np.float32)
    return EasePredictor(weights, rng.permutation(items), None)


def histories(items: int, count: int) -> Histories:
    """``count`` random requests."""
    rng = derive_rng(0, "bench query", "histories")
    offsets = np.append(0, np.cumsum(rng.integers(20, 201, count)))
    random = rng.integers(0, items, offsets[-1]).astype(np.int32)
    return Histories(np.arange(count, dtype=np.int32), random, offsets)


def measured(query: Callable[[Histories], Any], requests: Histories) -> dict[str, float]:
    """Milliseconds of the first query, of a single query, and per query of a batch."""
    single = []
    for row in range(len(requests)):
        one = requests.take(np.array([row]))
        started = time.perf_counter()
        query(one)
        single.append(1000 * (time.perf_counter() - started))
    many = requests.take(np.arange(BATCH) % len(requests))
    batched = []
    for _ in range(3):
        started = time.perf_counter()
        query(many)
        batched.append(1000 * (time.perf_counter() - started) / BATCH)
    rest = np.array(single[FIRST:])
    return {
        "first": single[0],
        "median": float(np.median(rest)),
        "p95": float(np.quantile(rest, 0.95)),
        "in_batch": float(np.median(batched)),
    }


def of(items: int, queries: int) -> dict[str, dict[str, float]]:
    """The latencies of every predictor for ``items`` items."""
    requests = histories(items, queries)
    predictors: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        network(items, Path(folder))
        for name, decode in SEARCHES.items():
            bundle = load_bundle(Path(folder)).ready()
            predictors[name] = ScoringPredictor(bundle, decode)
    components = (1.0, predictors["network"]), (1.0, item_to_item(items))
    predictors["hybrid"] = FusionPredictor(components, np.arange(items))
    if items <= Ease().max_items:
        predictors["EASE"] = ease(items)
    return {
        name: measured(lambda options, of=each: of.recommend(options, K), requests)
        for name, each in predictors.items()
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1682, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {items: of(items, options.queries) for items in options.items}
    print("| items | predictor | first, ms | median, ms | 95 %, ms | each of 256, ms |")
    print("|---|---|---|---|---|---|")
    for items, rows in results.items():
        for name, ms in rows.items():
            figures = " | ".join(f"{ms[key]:.2f}" for key in ("first", "median", "p95", "in_batch"))
            print(f"| {items:,} | {name} | {figures} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
