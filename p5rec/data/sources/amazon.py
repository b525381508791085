"""Amazon reviews, the releases of 2014, 2018 and 2023: JSON lines, plain or gzipped.

Sources: McAuley et al. (SIGIR 2015), Ni et al. (EMNLP 2019), Hou et al. (arXiv 2403.03952).
"""

from __future__ import annotations

import ast
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.config import DataConfig
from p5rec.data.delimited import Records
from p5rec.data.fetch import located
from p5rec.data.files import PACKED, Dialect, read_errors
from p5rec.data.items import check_items, item_file
from p5rec.data.rawlog import Names, RawLog, Source
from p5rec.data.tables import Table, read_table

from .table import events_table, log_of

# field → its names in the three releases; the 2023 metadata use parent_asin as the key
OWN: Names = {
    "user": ("reviewerID", "user_id"),
    "item": ("parent_asin", "asin"),
    "time": ("unixReviewTime", "timestamp"),
    "rating": ("overall", "rating"),
    "review": ("reviewText", "text"),
    "summary": ("summary", "title"),
}
BRANDS = ("brand", "store")
CATEGORIES = ("categories", "category")
TEXTS = ("asin", "title", "brand")  # fields of the metadata of 2014
LONGEST = 1 << 20  # limit of a line of these metadata, characters


def files(config: DataConfig) -> dict[str, Path]:
    """The reviews and their metadata.

    In a folder, the metadata file is the one whose name starts with ``meta``. For a single reviews
    file, it is the neighbour ``meta_<Category>``.
    """
    log = located(config.path)
    if log.is_dir():
        tables = sorted(p for p in log.iterdir() if _plain(p).suffix in (".json", ".jsonl"))
        reviews = [p for p in tables if not p.name.startswith("meta")]
        if len(reviews) != 1:
            raise input_error(log, "one file of reviews", f"{len(reviews)}", "name the file itself")
        log, metas = reviews[0], [p for p in tables if p.name.startswith("meta")]
    else:
        category = _plain(log).stem.removeprefix("reviews_").removesuffix("_5")
        start = f"meta_{category}.json"
        metas = sorted(path for path in log.parent.iterdir() if path.name.startswith(start))
    if len(metas) > 1 and not (config.items and config.items.path):
        raise input_error(log.parent, "one metadata file", f"{len(metas)}", "set data.items.path")
    return {"events": log} | item_file(config, metas[0] if metas else None)


def read(config: DataConfig) -> RawLog:
    """Reviews with ratings and texts; titles, brand and categories from the metadata."""
    paths = files(config)
    return log_of(config, paths, events_table(config, paths["events"], OWN), OWN, _metadata)


def _metadata(path: Path, dialect: Dialect | None = None) -> pl.DataFrame:
    """Ids, titles, brands, categories. The 2018 file repeats products; the first row counts."""
    wanted = [*OWN["item"], "title", *BRANDS, *CATEGORIES]
    read = _literals(path) if _is_python(path) else read_table(path, wanted, dialect)
    names = read.names
    item = next((name for name in OWN["item"] if name in names), None)
    if item is None or "title" not in names:
        raise input_error(path, "columns asin (or parent_asin) and title", ", ".join(names)[:80],
                    "set data.items.path and its columns")  # fmt: skip
    chosen = {"item": item, "title": "title"}
    for field, options in (("brand", BRANDS), ("categories", CATEGORIES)):
        if name := next((name for name in options if name in names), None):
            chosen[field] = name
    read.require_text(item, "title", *BRANDS)
    columns = [pl.col(column).alias(field) for field, column in chosen.items()]
    table = read.frame.select(*columns, read.rows.alias("row"))
    table = table.unique("item", keep="first", maintain_order=True)
    return check_items(table.drop("row"), read.locations, table["row"])


def _is_python(path: Path) -> bool:
    """Whether a metadata file has Python literals (as in 2014) instead of JSON."""
    with _opened(path) as handle:
        return handle.readline(2) == "{'"


def _literals(path: Path) -> Table:
    """The records of a file with one Python literal per line.

    Raises:
        UserError: a line is too long or is not a mapping of constants; the message names the line.
    """
    rows: dict[str, list[Any]] = {name: [] for name in (*TEXTS, "categories")}
    with _opened(path) as handle:
        for number, line in enumerate(iter(lambda: handle.readline(LONGEST + 1), ""), 1):
            row = _literal(line, path, number)
            for name in TEXTS:
                value = row.get(name)
                rows[name].append(None if value is None else str(value))
            rows["categories"].append(list(_words(row.get("categories"))))
    schema: dict[str, Any] = {**dict.fromkeys(TEXTS, pl.String), "categories": pl.List(pl.String)}
    frame = pl.DataFrame(rows, schema=schema)
    return Table.of(path, Records(frame.columns, frame, np.arange(1, len(frame) + 1)))


def _literal(line: str, path: Path, number: int) -> dict[str, Any]:
    if len(line) > LONGEST:
        got, todo = "a longer one", "remove the record"
        raise input_error(path, f"lines of at most {LONGEST:,} characters", got, todo, line=number)
    try:
        row = ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise input_error(path, "a Python mapping", repr(line[:40]), "fix the line", line=number)
    return row


def _words(value: object) -> Iterator[str]:
    """The texts in nested lists."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)
    elif value is not None:
        yield str(value)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Opens a text file, compressed or not; errors become one-line user errors."""
    opened = gzip.open if path.suffix == ".gz" else open
    with read_errors(path, "text file"):
        try:
            with opened(path, "rt", encoding="utf-8-sig") as handle:
                yield handle  # type: ignore[misc]
        except (EOFError, zlib.error) as error:
            raise input_error(path, "a complete file", str(error), "download it again") from None


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in PACKED else path


SOURCE = Source("Amazon reviews of 2014, 2018 or 2023 with their metadata", files, read)
