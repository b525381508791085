"""A log of reviews whose items are cut into two domains by a hash of their ids.

python scripts/cut_domains.py reviews.jsonl.gz domains.jsonl [--item asin] [--parts 3]

Writes the rows with one more column, ``domain``: ``second`` for one of equal parts of the items,
``first`` for the others. Users stay in both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.rng import id_keys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, help="JSON lines")
    parser.add_argument("out", type=Path)
    parser.add_argument("--item", default="item", help="the column of item ids")
    parser.add_argument("--parts", type=int, default=3, help="equal parts of the items")
    options = parser.parse_args()
    if not options.log.is_file():
        parser.error(f"{options.log}: expected a log, got nothing there")
    log = pl.read_ndjson(options.log)
    if options.item not in log.columns:
        parser.error(f"--item: expected one of {', '.join(log.columns)}, got {options.item}")
    part = id_keys(log[options.item].to_list()) % np.uint64(options.parts)
    last = part == np.uint64(options.parts - 1)
    domain = pl.Series("domain", np.where(last, "second", "first").tolist())
    log.with_columns(domain).write_ndjson(options.out)
    print(
        log.with_columns(domain).group_by("domain").agg(pl.len(), pl.col(options.item).n_unique())
    )


if __name__ == "__main__":
    main()
