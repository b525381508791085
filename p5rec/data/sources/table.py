"""Any table with a row an event: CSV, TSV, Parquet, JSON lines."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from p5rec.data.config import DataConfig
from p5rec.data.files import column_names, existing, first_row, read_text
from p5rec.data.items import item_file, item_table
from p5rec.data.rawlog import OWN, Names, RawLog, Source, check_events, resolve


def files(config: DataConfig) -> dict[str, Path]:
    """The log and, where the config names one, the item table."""
    return {"events": existing(config.path)} | item_file(config)


def read(config: DataConfig) -> RawLog:
    """The log and its item table; without one, titles are the ids."""
    found = files(config)
    events, incomplete = read_events(config, found["events"], OWN)
    items = item_table(config, events, found)
    return RawLog(events, items, tuple(found.values()), incomplete=incomplete)


def read_events(config: DataConfig, path: Path, own: Names) -> tuple[pl.DataFrame, int]:
    """The events of a table file whose usual column names are ``own``, and the rows dropped."""
    columns = resolve(path, column_names(path), config.columns, own)
    return check_events(
        read_text(path, list(dict.fromkeys(columns.values()))),
        columns,
        path,
        config,
        first_row=first_row(path),
    )


SOURCE = Source("a row an event in CSV, TSV, Parquet or JSON lines (.gz too)", files, read)
