"""Amazon reviews, the releases of 2014, 2018 and 2023: JSON lines, plain or gzipped.

Sources: McAuley et al. (SIGIR 2015), Ni et al. (EMNLP 2019), Hou et al. (arXiv 2403.03952).
"""

from __future__ import annotations

import ast
import gzip
from pathlib import Path
from typing import IO

import polars as pl

from p5rec.core.errors import fault
from p5rec.data.config import DataConfig
from p5rec.data.fetch import located
from p5rec.data.files import PACKED, column_names, read_typed
from p5rec.data.items import check_items, item_file, item_table
from p5rec.data.rawlog import Names, RawLog, Source

from .table import read_events

# per field, the names of the three releases; parent_asin is what the 2023 metadata is keyed by
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


def files(config: DataConfig) -> dict[str, Path]:
    """The reviews and their metadata.

    A folder holds both, the metadata being the file whose name starts with ``meta``; beside a
    reviews file, ``meta_<Category>`` is looked for.
    """
    log = located(config.path)
    if log.is_dir():
        tables = sorted(p for p in log.iterdir() if _plain(p).suffix in (".json", ".jsonl"))
        reviews = [p for p in tables if not p.name.startswith("meta")]
        if len(reviews) != 1:
            raise fault(log, "one file of reviews", f"{len(reviews)}", "name the file itself")
        log, metas = reviews[0], [p for p in tables if p.name.startswith("meta")]
    else:
        category = _plain(log).stem.removeprefix("reviews_").removesuffix("_5")
        metas = sorted(log.parent.glob(f"meta_{category}.json*"))
    if len(metas) > 1 and not (config.items and config.items.path):
        raise fault(log.parent, "one metadata file", f"{len(metas)}", "set data.items.path")
    return {"events": log} | item_file(config, metas[0] if metas else None)


def read(config: DataConfig) -> RawLog:
    """Reviews with ratings and texts; titles, brand and categories from the metadata."""
    found = files(config)
    events, incomplete = read_events(config, found["events"], OWN)
    items = item_table(config, events, found, _metadata)
    return RawLog(events, items, tuple(found.values()), incomplete=incomplete)


def _metadata(path: Path) -> pl.DataFrame:
    """Ids, titles, brands, categories. The 2018 file repeats products: the first row counts."""
    frame = _literals(path) if _is_python(path) else None
    names = column_names(path) if frame is None else frame.columns
    item = next((name for name in OWN["item"] if name in names), None)
    if item is None or "title" not in names:
        raise fault(path, "columns asin (or parent_asin) and title", ", ".join(names)[:80],
                    "give data.items.path and its columns")  # fmt: skip
    chosen = {"item": item, "title": "title"}
    for part, options in (("brand", BRANDS), ("categories", CATEGORIES)):
        if name := next((name for name in options if name in names), None):
            chosen[part] = name
    if frame is None:
        text = [column for part, column in chosen.items() if part != "categories"]
        frame = read_typed(path, list(chosen.values()), text=text)
    table = frame.select(pl.col(column).alias(part) for part, column in chosen.items())
    return check_items(table.unique("item", keep="first", maintain_order=True), path, first_row=1)


def _is_python(path: Path) -> bool:
    """The 2014 metadata are Python literals in single quotes, not JSON."""
    with _opened(path) as handle:
        return handle.readline().startswith("{'")


def _literals(path: Path) -> pl.DataFrame:
    rows = []
    with _opened(path) as handle:
        for number, line in enumerate(handle, 1):
            try:
                row = ast.literal_eval(line)
            except (ValueError, SyntaxError):
                raise fault(path, "a Python mapping", line[:40], "mend it", line=number) from None
            rows.append({key: row.get(key) for key in ("asin", "title", "brand", "categories")})
    return pl.from_dicts(rows, infer_schema_length=None)


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in PACKED else path


SOURCE = Source("Amazon reviews of 2014, 2018 or 2023 with their metadata", files, read)
