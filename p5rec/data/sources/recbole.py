"""RecBole's atomic files: tab-separated, with headers like ``item_id:token``.

Format: Zhao et al., RecBole (CIKM 2021), "atomic files".
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.config import DataConfig
from p5rec.data.delimited import check_names, read_delimited
from p5rec.data.fetch import located
from p5rec.data.files import Dialect, load_text
from p5rec.data.items import YEAR, check_items, item_file
from p5rec.data.rawlog import Names, RawLog, Source
from p5rec.data.tables import Table
from p5rec.data.users import check_users, user_file

from .table import dialect, log_of

OWN: Names = {
    "user": ("user_id",),
    "item": ("item_id",),
    "time": ("timestamp",),
    "rating": ("rating",),
    "review": ("review", "review_text"),
    "summary": ("summary",),
}
TITLES = ("title", "movie_title", "name", "item_name")
# RecBole's names of two attributes → the names in p5rec
RENAMED = {"release_year": "year", "class": "genres"}
POSTCODE = "zip_code"  # skipped: it identifies small groups of people


def files(config: DataConfig) -> dict[str, Path]:
    """The ``.inter`` file, and the item and user tables: those of the config, else the ``.item``
    and ``.user`` files beside it."""
    log = located(config.path)
    if log.is_dir():
        inside = sorted(log.glob("*.inter"))
        if len(inside) != 1:
            raise input_error(
                log, "one .inter file in the folder", f"{len(inside)}", "name the file"
            )
        log = inside[0]
    items, users = log.with_suffix(".item"), log.with_suffix(".user")
    return {"events": log} | item_file(config, items) | user_file(config, users)


def read(config: DataConfig) -> RawLog:
    """The log; titles get the release year, ``token_seq`` columns become lists."""
    paths = files(config)
    table, _ = _atomic(paths["events"], dialect(config))
    return log_of(config, paths, table, OWN, _items, _users)


def _atomic(path: Path, dialect: Dialect) -> tuple[Table, dict[str, str]]:
    """The columns as text, named without their types; and the declared type of each column."""
    data = load_text(path, "RecBole atomic file", dialect)
    records = read_delimited(data, path, dialect.separator or "\t", quotes=False, dialect=dialect)
    split = [column.partition(":") for column in records.names]
    names = check_names(path, [name for name, _, _ in split])
    types = {name: declared or "token" for name, _, declared in split}
    frame = records.frame.rename(dict(zip(records.names, names, strict=True)))
    return Table.of(path, records._replace(names=names, frame=frame)), types


def _items(path: Path, dialect: Dialect) -> pl.DataFrame:
    read, types = _atomic(path, dialect)
    frame = read.frame
    if "item_id" not in frame.columns:
        raise input_error(
            path,
            "a column 'item_id:token'",
            ", ".join(frame.columns),
            "rename the id column, or set data.items.path and its columns",
        )
    title = next((name for name in TITLES if name in frame.columns), "item_id")
    columns = [pl.col("item_id").alias("item"), _title(title, frame.columns).alias("title")]
    for name, declared in types.items():
        if name not in ("item_id", title) and (column := _attribute(name, declared)) is not None:
            renamed = RENAMED.get(name, name)
            columns.append(column.alias(name if renamed in types else renamed))
    return check_items(frame.select(columns), read.locations, read.rows)


def _users(path: Path, dialect: Dialect) -> pl.DataFrame:
    read, types = _atomic(path, dialect)
    if "user_id" not in types:
        raise input_error(
            path,
            "a column 'user_id:token'",
            ", ".join(types),
            "rename the id column, or set data.users.path and its columns",
        )
    columns = [pl.col("user_id").alias("user")]
    for name, declared in types.items():
        known = name in ("user_id", POSTCODE)
        if not known and (column := _attribute(name, declared)) is not None:
            columns.append(column.alias(name))
    return check_users(read.frame.select(columns), read.locations, read.rows, typed=False)


def _attribute(name: str, declared: str) -> pl.Expr | None:
    """The column with its declared type; None for vectors, which prompts cannot render."""
    column = pl.col(name)
    if declared == "float_seq":
        return None
    if declared == "float":
        return column.cast(pl.Float64, strict=False)
    if declared == "token_seq":
        return column.str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    return column.cast(pl.Int32, strict=False) if name == "release_year" else column


def _title(name: str, columns: list[str]) -> pl.Expr:
    title = pl.col(name).str.strip_chars()
    if "release_year" not in columns:
        return title
    bare = title.str.contains(YEAR).not_() & pl.col("release_year").str.contains(r"^\d{4}$")
    dated = pl.format("{} ({})", title, pl.col("release_year"))
    return pl.when(bare.fill_null(False)).then(dated).otherwise(title)


SOURCE = Source("RecBole atomic files (.inter, .item, .user)", files, read)
