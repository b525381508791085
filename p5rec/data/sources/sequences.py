"""Lines of ``user item item ...``, oldest first: an order without times and ratings."""

from __future__ import annotations

import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.config import DataConfig
from p5rec.data.files import read_lines
from p5rec.data.items import item_table
from p5rec.data.rawlog import RawLog, Source
from p5rec.data.tables import RowLocations
from p5rec.data.users import user_table

from .table import dialect, files

WORD = r"\S+"


def read(config: DataConfig) -> RawLog:
    """One event per item; its time is its position in the line, from 0."""
    paths = files(config)
    path = paths["events"]
    lines = read_lines(path, dialect(config))
    words = pl.col("line").str.extract_all(WORD)
    if config.separator:
        split = pl.col("line").str.split(config.separator)
        stripped = pl.element().str.strip_chars()
        words = split.list.eval(stripped.filter(stripped != ""))
    lines = lines.select("row", words.list.first().alias("user"), words.list.slice(1).alias("item"))
    lines = lines.filter(pl.col("item").list.len() > 0)
    if not len(lines):
        raise input_error(path, "lines of `user item item ...`", "no event", "check the file")
    repeated = lines.filter(pl.col("user").is_duplicated())
    if len(repeated):
        user = repeated["user"][0]
        rows = repeated.filter(pl.col("user") == user)["row"].to_list()
        raise input_error(
            path, "one line per user", f"{user!r} again", "join the lines", line=rows[1]
        )
    position = pl.int_ranges(pl.col("item").list.len()).alias("time")
    events = lines.with_columns(position).explode("item", "time")
    items = item_table(config, events, paths)
    locations = RowLocations.of(path)
    users = user_table(config, paths)
    read_files = tuple(paths.values())
    return RawLog(events, items, read_files, ordinal=True, locations=locations, users=users)


SOURCE = Source("lines of `user item item ...`, oldest first (order only)", files, read)
