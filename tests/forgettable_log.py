"""A small log with names that can be searched for, and a recipe of fast methods on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

PERSON, USERS, ITEMS, EVENTS = "person-007", 24, 16, 8
RECIPE = """
data: {source: table, path: log.csv}
ids: {semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 4}}}}
baselines: [popularity]
methods:
  ease: {kind: ease, tune: {}}
  sasrec: {kind: sasrec, tune: {}, epochs: 2}
  llm:
    backbone: {kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32}
    train: {steps: 6, batch: 4, precision: float32, tasks: {next-item: {}, rating: {}}}
    decode: {max_new_tokens: 4}
evaluate: {prompts: {rating: 12}, samples: 3}
"""


def events() -> pl.DataFrame:
    """Each user has rated as many items."""
    rng = np.random.default_rng(0)
    rows = [
        (f"person-{user:03d}", f"item{item}", 1_600_000_000 + 1000 * user + 100_000 * step,
         float(rng.integers(1, 6)), f"said by person-{user:03d}")
        for user in range(USERS)
        for step, item in enumerate(rng.choice(ITEMS, EVENTS, replace=False))
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=["user", "item", "time", "rating", "review"], orient="row")


def write(folder: Path, chosen: pl.Expr | None = None) -> None:
    """``log.csv`` with the events that are ``chosen``, or all."""
    log = events()
    (log if chosen is None else log.filter(chosen)).write_csv(folder / "log.csv")
