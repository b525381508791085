"""MovieLens as GroupLens publishes it: 100K, 1M, and the "latest" and 20M+ CSV sets.

Source: Harper and Konstan, The MovieLens Datasets (ACM TiiS 2015), and the sets' README files.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from p5rec.core.errors import fault
from p5rec.data.config import DataConfig
from p5rec.data.fetch import located
from p5rec.data.files import column_names, read_text, telling
from p5rec.data.items import YEAR, check_items, item_file, item_table
from p5rec.data.rawlog import Names, RawLog, Source, check_events, resolve

from . import recbole

# log file → item table beside it
LAYOUTS = {
    "u.data": "u.item",
    "ratings.dat": "movies.dat",
    "ratings.csv": "movies.csv",
    "ratings.csv.gz": "movies.csv.gz",
}
FIELDS = ("userId", "movieId", "rating", "timestamp")
MOVIE_FIELDS = ("movieId", "title", "genres")
NO_GENRE = ["", "(no genres listed)"]
OWN: Names = {"user": ("userId",), "item": ("movieId",), "time": ("timestamp",),
              "rating": ("rating",)}  # fmt: skip
# the order of the flags in u.item, from u.genre
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip


def files(config: DataConfig) -> dict[str, Path]:
    """The ratings and the movies beside them, or the item table that the config names."""
    if _is_atomic(config):
        return recbole.files(config)
    log = located(config.path)
    if log.is_dir():
        inside = [name for name in LAYOUTS if (log / name).is_file()]
        if len(inside) != 1:
            got = ", ".join(inside) or "none of them"
            raise fault(log, f"one of {', '.join(LAYOUTS)}", got, "name the file itself")
        log = log / inside[0]
    if log.name not in LAYOUTS:
        raise fault(log, f"one of {', '.join(LAYOUTS)}", log.name, "use the source `table`")
    return {"events": log} | item_file(config, log.with_name(LAYOUTS[log.name]))


def read(config: DataConfig) -> RawLog:
    """Ratings with times; titles as published (``Toy Story (1995)``), year and genres."""
    if _is_atomic(config):
        return recbole.read(config)
    found = files(config)
    path = found["events"]
    frame = _ratings(path)
    columns = resolve(path, frame.columns, config.columns, OWN)
    events, incomplete = check_events(frame, columns, path, config, first_row=_first_row(path))
    items = item_table(config, events, found, _movies)
    return RawLog(events, items, tuple(found.values()), incomplete=incomplete)


def _is_atomic(config: DataConfig) -> bool:
    """The embedded ml-100k comes as RecBole's files."""
    path = located(config.path)
    return path.suffix == ".inter" or (path.is_dir() and any(path.glob("*.inter")))


def _ratings(path: Path) -> pl.DataFrame:
    if path.name == "ratings.dat":
        return _double_colon(path, FIELDS)
    if path.name == "u.data":
        with telling(path, "tab-separated file"):
            return pl.read_csv(
                path, separator="\t", has_header=False, new_columns=list(FIELDS), infer_schema=False
            )
    return read_text(path, column_names(path))


def _first_row(path: Path) -> int:
    return 2 if ".csv" in path.name else 1


def _movies(path: Path) -> pl.DataFrame:
    if path.name == "u.item":
        frame = _flagged(path)
    elif path.name == "movies.dat":
        frame = _double_colon(path, MOVIE_FIELDS)
    else:
        frame = read_text(path, MOVIE_FIELDS)
    title = pl.col("title").str.strip_chars()
    words = pl.col("genres").fill_null("").str.split("|")
    table = frame.select(
        pl.col("movieId").alias("item"),
        title,
        title.str.extract(YEAR).cast(pl.Int32).alias("year"),
        words.list.eval(pl.element().filter(~pl.element().is_in(NO_GENRE))).alias("genres"),
    )
    return check_items(table, path, first_row=_first_row(path))


def _flagged(path: Path) -> pl.DataFrame:
    """``u.item``: id | title | date | video date | URL | 19 genre flags, in Latin-1."""
    names = ["movieId", "title", "date", "video", "url", *GENRES]
    with telling(path, "pipe-separated file"):
        frame = pl.read_csv(
            path,
            separator="|",
            has_header=False,
            new_columns=names,
            quote_char=None,
            infer_schema=False,
            encoding="latin-1",
        )
    named = [pl.when(pl.col(g) == "1").then(pl.lit(g)) for g in GENRES if g != "unknown"]
    return frame.select(
        "movieId", "title", pl.concat_str(named, separator="|", ignore_nulls=True).alias("genres")
    )


def _double_colon(path: Path, names: tuple[str, ...]) -> pl.DataFrame:
    """``a::b::c`` in Latin-1: read as whole lines, for Polars separates at single bytes only."""
    with telling(path, "file of ::-separated fields"):
        lines = pl.read_csv(
            path,
            separator="\x1f",
            has_header=False,
            new_columns=["line"],
            quote_char=None,
            infer_schema=False,
            encoding="latin-1",
        )
    fields = pl.col("line").str.split_exact("::", len(names) - 1).struct.rename_fields(names)
    return lines.select(fields).unnest("line")


SOURCE = Source("MovieLens 100K, 1M, latest, 20M and later; ml-100k is embedded", files, read)
