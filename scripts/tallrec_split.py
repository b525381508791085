"""Writes ml-100k with the published split of TALLRec (Bao et al. 2023, arXiv:2305.00447).

python scripts/tallrec_split.py tallrec

The published preprocessing lists every event with ten earlier events of its user, user after user
in the order of their first rows in the log, and takes the last 10,000 of the list: the first 8,000
are training, then 1,000 validation, then 1,000 test. So the split is by user, not by time.

The folder receives the log in RecBole's format, with the place in the list as time and a column
``role``: ``target`` for the 10,000, ``context`` for events that histories alone show. The split
``time`` of ``p5rec run apa-tallrec`` then cuts the list at the published places. ``--further N``
takes N more targets from before the 10,000, as further test events.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import polars as pl

from p5rec.data.fetch import located

HISTORY, LISTED, START = 10, 10_000, 1_000_000_000  # START: seconds, so that places are times
COLUMNS = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")


def listed(log: pl.DataFrame) -> pl.DataFrame:
    """The events in the order of the list, with their ``place`` and whether they are a target.

    Args:
        log: ``user_id``, ``item_id``, ``rating`` and ``timestamp``, in the order of the file.
    """
    rows = log.with_row_index("row")
    rows = rows.with_columns(first=pl.col("row").min().over("user_id"))
    ordered = rows.sort("first", "timestamp", "row").with_row_index("place")
    nth = pl.int_range(pl.len()).over("user_id")
    return ordered.with_columns(eligible=nth >= HISTORY)


def written(events: pl.DataFrame, further: int) -> pl.DataFrame:
    """The log to write: the last 10,000 eligible events are targets, and ``further`` before."""
    from_end = pl.col("eligible").reverse().cum_sum().reverse()
    target = pl.col("eligible") & (from_end <= LISTED + further)
    return events.select(
        pl.col("user_id").alias(COLUMNS[0]),
        pl.col("item_id").alias(COLUMNS[1]),
        pl.col("rating").alias(COLUMNS[2]),
        (START + pl.col("place")).alias(COLUMNS[3]),
        pl.when(target).then(pl.lit("target")).otherwise(pl.lit("context")).alias("role:token"),
    )


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="new folder of the log")
    parser.add_argument("--further", type=int, default=0)
    options = parser.parse_args()
    source = located("ml-100k")
    log = pl.read_csv(source / "ml-100k.inter", separator="\t", infer_schema_length=0)
    log = log.rename(dict(zip(COLUMNS, (name.partition(":")[0] for name in COLUMNS), strict=True)))
    log = log.with_columns(pl.col("timestamp").cast(pl.Float64).cast(pl.Int64))
    options.folder.mkdir(parents=True)
    name = options.folder.name
    events = written(listed(log), options.further)
    events.write_csv(options.folder / f"{name}.inter", separator="\t")
    for kind in ("item", "user"):
        shutil.copyfile(source / f"ml-100k.{kind}", options.folder / f"{name}.{kind}")
    print(events["role:token"].value_counts().sort("role:token"))


if __name__ == "__main__":
    main()
