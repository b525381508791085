"""MovieLens as GroupLens publishes it: 100K, 1M, and the "latest" and 20M+ CSV sets.

Source: Harper and Konstan, The MovieLens Datasets (ACM TiiS 2015), and the sets' README files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.config import DataConfig
from p5rec.data.delimited import read_delimited
from p5rec.data.fetch import located
from p5rec.data.files import Dialect, load_text
from p5rec.data.items import YEAR, check_items, item_file
from p5rec.data.rawlog import Names, RawLog, Source
from p5rec.data.tables import Table, read_table
from p5rec.data.users import check_users, user_file

from . import recbole
from .table import dialect, log_of

# log file → item table beside it
LAYOUTS = {
    "u.data": "u.item",
    "ratings.dat": "movies.dat",
    "ratings.csv": "movies.csv",
    "ratings.csv.gz": "movies.csv.gz",
}
# log file → user table beside it, its separator and its columns; the postcode is skipped because it
# identifies small groups of people
USERS = {
    "u.data": ("u.user", "|", ("user", "age", "gender", "occupation", "postcode")),
    "ratings.dat": ("users.dat", "::", ("user", "gender", "age", "occupation", "postcode")),
}
FIELDS = ("userId", "movieId", "rating", "timestamp")
MOVIE_FIELDS = ("movieId", "title", "genres")
UNIT = "\x1f"  # replaces a separator of several characters
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
    """The ratings, and the movies and users beside them, or the tables that the config names."""
    if _is_atomic(config):
        return recbole.files(config)
    log = located(config.path)
    if log.is_dir():
        inside = [name for name in LAYOUTS if (log / name).is_file()]
        if len(inside) != 1:
            got = ", ".join(inside) or "none of them"
            raise input_error(log, f"one of {', '.join(LAYOUTS)}", got, "name the file itself")
        log = log / inside[0]
    if log.name not in LAYOUTS:
        raise input_error(log, f"one of {', '.join(LAYOUTS)}", log.name, "use the source `table`")
    users = USERS.get(log.name)
    return {
        "events": log,
        **item_file(config, log.with_name(LAYOUTS[log.name])),
        **user_file(config, log.with_name(users[0]) if users else None),
    }


def read(config: DataConfig) -> RawLog:
    """Ratings with times; titles as published (``Toy Story (1995)``), years and genres; age, gender
    and occupation of users, if the data set has them."""
    if _is_atomic(config):
        return recbole.read(config)
    paths = files(config)
    table = _ratings(paths["events"], dialect(config))
    return log_of(config, paths, table, OWN, _movies, partial(_users, paths["events"].name))


def _is_atomic(config: DataConfig) -> bool:
    """Whether the files have RecBole's format, as the fetched ml-100k has."""
    path = located(config.path)
    return path.suffix == ".inter" or (path.is_dir() and any(path.glob("*.inter")))


def _ratings(path: Path, dialect: Dialect) -> Table:
    if path.name == "ratings.dat":
        return _headless(path, "::", FIELDS, dialect)
    if path.name == "u.data":
        return _headless(path, "\t", FIELDS, dialect)
    return read_table(path, None, dialect)


def _movies(path: Path, dialect: Dialect) -> pl.DataFrame:
    if path.name == "u.item":
        read = _flagged(path, dialect)
    elif path.name == "movies.dat":
        read = _headless(path, "::", MOVIE_FIELDS, dialect)
    else:
        read = read_table(path, MOVIE_FIELDS, dialect)
        read.require(*MOVIE_FIELDS)
    title = pl.col("title").str.strip_chars()
    words = pl.col("genres").fill_null("").str.split("|")
    table = read.frame.select(
        pl.col("movieId").alias("item"),
        title,
        title.str.extract(YEAR).cast(pl.Int32).alias("year"),
        words.list.eval(pl.element().filter(~pl.element().is_in(NO_GENRE))).alias("genres"),
    )
    return check_items(table, read.locations, read.rows)


def _users(log: str, path: Path, dialect: Dialect) -> pl.DataFrame:
    """The user table beside a log file of the name ``log``."""
    _, separator, names = USERS[log]
    read = _headless(path, separator, names, dialect)
    table = read.frame.select("user", "age", "gender", "occupation")
    return check_users(table, read.locations, read.rows, typed=False)


def _flagged(path: Path, dialect: Dialect) -> Table:
    """``u.item``: id | title | date | video date | URL | 19 genre flags."""
    names = ["movieId", "title", "date", "video", "url", *GENRES]
    read = _headless(path, "|", names, dialect)
    named = [pl.when(pl.col(g) == "1").then(pl.lit(g)) for g in GENRES if g != "unknown"]
    genres = pl.concat_str(named, separator="|", ignore_nulls=True).alias("genres")
    return replace(read, frame=read.frame.select("movieId", "title", genres))


def _headless(path: Path, separator: str, names: Sequence[str], dialect: Dialect) -> Table:
    """A file without header and quotation marks; in Latin-1 unless the config sets an encoding."""
    data = load_text(path, "text file", replace(dialect, encoding=dialect.encoding or "latin-1"))
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), UNIT.encode()), UNIT
    return Table.of(path, read_delimited(data, path, separator, names=names, quotes=False))


SOURCE = Source("MovieLens 100K, 1M, latest, 20M and later; fetches ml-100k", files, read)
