"""Lines of ``user item item ...``, oldest first: order only, no times, no ratings."""

from __future__ import annotations

import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.config import DataConfig
from p5rec.data.files import read_lines
from p5rec.data.items import item_table
from p5rec.data.rawlog import RawLog, Source
from p5rec.data.tables import Places
from p5rec.data.users import user_table

from .table import dialect, files

WORD = r"\S+"


def read(config: DataConfig) -> RawLog:
    """One event an item; its time is its position in the line, from 0."""
    found = files(config)
    path = found["events"]
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
    again = lines.filter(pl.col("user").is_duplicated())
    if len(again):
        rows = again.filter(pl.col("user") == again["user"][0])["row"].to_list()
        raise input_error(
            path, "one line a user", f"{again['user'][0]!r} again", "join the lines", line=rows[1]
        )
    position = pl.int_ranges(pl.col("item").list.len()).alias("time")
    events = lines.with_columns(position).explode("item", "time")
    items = item_table(config, events, found)
    places = Places.of(path)
    users = user_table(config, found)
    return RawLog(events, items, tuple(found.values()), ordinal=True, places=places, users=users)


SOURCE = Source("lines of `user item item ...`, oldest first (order only)", files, read)
