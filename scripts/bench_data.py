"""Seconds to read a log of a given size in several formats, to prepare it and to read it back.

python scripts/bench_data.py [--events 1000000]

Writes a random log with a rating and a time per event as CSV, as CSV with quoted text, and as JSON
lines. The first file is prepared as in a recipe.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare
from p5rec.data.tables import read_table

ITEMS, USERS = 50_000, 80_000


def main() -> None:
    """Prints the seconds of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    n, rng = parser.parse_args().events, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = pl.DataFrame(
            {
                "user": rng.integers(0, USERS, n),
                "item": rng.zipf(1.3, n) % ITEMS,
                "rating": rng.integers(1, 6, n),
                "time": rng.integers(int(1.5e9), int(1.7e9), n),
            }
        )
        frame.write_csv(folder / "log.csv")
        frame.write_ndjson(folder / "log.jsonl")
        frame.with_columns(text=pl.format('"{}", he said', "item")).write_csv(folder / "quoted.csv")
        for file in ("log.csv", "quoted.csv", "log.jsonl"):
            start = time.perf_counter()
            results = read_table(folder / file, frame.columns)
            print(f"{file}: {len(results.rows):,} rows in {time.perf_counter() - start:.1f} s")
        config = DataConfig(source="table", path=str(folder / "log.csv"))
        start = time.perf_counter()
        prepare(config, folder / "out")
        made = time.perf_counter()
        events = len(load_corpus(folder / "out").interactions)
        read = time.perf_counter() - made
    print(f"{events:,} events: prepared in {made - start:.1f} s, read in {read:.2f} s")


if __name__ == "__main__":
    main()
