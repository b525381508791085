"""Ranking by parallel codes beside ranking by item embeddings.

python scripts/bench_parallel_codes.py [--items 12101 1000000] [--rounds 5] [--json out.json]

Both networks are those of ``p5rec run parallel-codes``: a block of width 64, with an embedding for
each item, or with 32 codes for each item and no parameter of an item. Weights and codes are random;
the speed is that of a trained model. For each catalogue the table has users a second (histories of
50 events, lists of 10), the ratio of the two in the same round, the seconds from a loaded model to
its first list, and the weights. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from p5rec.backbones.scratch import Scratch
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Histories
from p5rec.ids.config import IdsConfig
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.config import ItemHeadConfig
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.report.markdown import table

USERS, EVENTS, K = 256, 50, 10
CODES, ITEMS = "parallel codes", "item embeddings"
SHAPE = {"width": 64, "layers": 1, "heads": 2, "feedforward": 128}


def bundle_of(way: str, items: int) -> Bundle:
    """An untrained network over ``items`` items."""
    own = way == ITEMS
    ids = IdsConfig(
        scheme="random" if own else "opq",
        levels=2 if own else 32,
        codebook="auto" if own else "shared",
    ).sized(items)
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(size, size=items) for size in ids.sizes], axis=1)
    if own:  # distinct
        codes = np.stack(np.divmod(np.arange(items), ids.sizes[1]), axis=1)
    settings = BundleSettings(
        backbone=Scratch(**SHAPE, item_embeddings=own),
        item_head=ItemHeadConfig(codes=1 if own else 0),
        tasks=("next-item",),
        seed=0,
    )
    return build(settings, ItemCodes(codes.astype(np.int32), ids.sizes, ids.scheme), range(items))


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[12_101, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for items in options.items for row in measured(items, options.rounds)]
    head = ["items", "network", "users/s", "ratio", "seconds to the first list", "weights"]
    print("\n".join(table(head, rows)))
    if options.json:
        options.json.write_text(json.dumps([dict(zip(head, row, strict=True)) for row in rows]))


def measured(items: int, rounds: int) -> list[list[str]]:
    """The rows of a catalogue."""
    chosen = np.random.default_rng(1).integers(items, size=USERS * EVENTS).astype(np.int32)
    starts = np.arange(0, USERS * EVENTS + 1, EVENTS)
    histories = Histories(np.full(USERS, -1, np.int32), chosen, starts)
    recommenders, first, weights = {}, {}, {}
    for way in (ITEMS, CODES):
        bundle = bundle_of(way, items).ready("float32")
        weights[way] = sum(p.numel() for p in bundle.model.parameters())
        started = time.perf_counter()
        recommenders[way] = GenerativeRecommender(bundle, DecodeConfig(search="item-head"))
        recommenders[way].recommend(histories.take(np.arange(1)), K)
        first[way] = time.perf_counter() - started
    seconds: dict[str, list[float]] = {way: [] for way in recommenders}
    for _ in range(rounds):
        for way, recommender in recommenders.items():
            started = time.perf_counter()
            recommender.recommend(histories, K)
            seconds[way].append(time.perf_counter() - started)
    ratio = float(np.median(np.array(seconds[ITEMS]) / np.array(seconds[CODES])))
    return [
        [
            f"{items:,}",
            way,
            f"{USERS / np.median(seconds[way]):,.0f}",
            "1" if way == ITEMS else f"{ratio:.2f}",
            f"{first[way]:.2f}",
            f"{weights[way]:,}",
        ]
        for way in recommenders
    ]


if __name__ == "__main__":
    main()
