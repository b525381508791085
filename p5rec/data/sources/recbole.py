"""RecBole's atomic files: tab-separated, with headers like ``item_id:token``.

Format: Zhao et al., RecBole (CIKM 2021), "atomic files".
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from p5rec.core.errors import fault
from p5rec.data.config import DataConfig
from p5rec.data.fetch import located
from p5rec.data.files import telling
from p5rec.data.items import YEAR, check_items, item_file, item_table
from p5rec.data.rawlog import Names, RawLog, Source, check_events, resolve

OWN: Names = {
    "user": ("user_id",),
    "item": ("item_id",),
    "time": ("timestamp",),
    "rating": ("rating",),
    "review": ("review", "review_text"),
    "summary": ("summary",),
}
TITLES = ("title", "movie_title", "name", "item_name")
# RecBole's names for two attributes that the rest of p5rec calls otherwise
RENAMED = {"release_year": "year", "class": "genres"}


def files(config: DataConfig) -> dict[str, Path]:
    """The ``.inter`` file, and the item table: the user's, or the ``.item`` beside it."""
    log = located(config.path)
    if log.is_dir():
        inside = sorted(log.glob("*.inter"))
        if len(inside) != 1:
            raise fault(log, "one .inter file in the folder", f"{len(inside)}", "name the file")
        log = inside[0]
    return {"events": log} | item_file(config, log.with_suffix(".item"))


def read(config: DataConfig) -> RawLog:
    """The log; titles gain the release year, ``token_seq`` columns become lists."""
    found = files(config)
    path = found["events"]
    frame, _ = _atomic(path)
    columns = resolve(path, frame.columns, config.columns, OWN)
    events, incomplete = check_events(frame, columns, path, config, first_row=2)
    items = item_table(config, events, found, _items)
    return RawLog(events, items, tuple(found.values()), incomplete=incomplete)


def _atomic(path: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The columns as text under their bare names, and the type that each declares."""
    with telling(path, "RecBole atomic file"):
        frame = pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
    split = [column.partition(":") for column in frame.columns]
    types = {name: declared or "token" for name, _, declared in split}
    return frame.rename({c: s[0] for c, s in zip(frame.columns, split, strict=True)}), types


def _items(path: Path) -> pl.DataFrame:
    frame, types = _atomic(path)
    if "item_id" not in frame.columns:
        raise fault(
            path,
            "a column 'item_id:token'",
            ", ".join(frame.columns),
            "name the id column so, or give data.items.path and its columns",
        )
    title = next((name for name in TITLES if name in frame.columns), "item_id")
    columns = [pl.col("item_id").alias("item"), _title(title, frame.columns).alias("title")]
    for name, declared in types.items():
        column = pl.col(name)
        # float_seq holds vectors: no attribute that a prompt could show
        if name in ("item_id", title) or declared == "float_seq":
            continue
        if declared == "float":
            column = column.cast(pl.Float64, strict=False)
        elif declared == "token_seq":
            column = column.str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
        elif name == "release_year":
            column = column.cast(pl.Int32, strict=False)
        renamed = RENAMED.get(name, name)
        columns.append(column.alias(name if renamed in types else renamed))
    return check_items(frame.select(columns), path, first_row=2)


def _title(name: str, columns: list[str]) -> pl.Expr:
    title = pl.col(name).str.strip_chars()
    if "release_year" not in columns:
        return title
    bare = title.str.contains(YEAR).not_() & pl.col("release_year").str.contains(r"^\d{4}$")
    dated = pl.format("{} ({})", title, pl.col("release_year"))
    return pl.when(bare.fill_null(False)).then(dated).otherwise(title)


SOURCE = Source("RecBole atomic files (.inter, .item)", files, read)
