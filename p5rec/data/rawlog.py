"""What a source hands over: a checked log and an item table, still under external ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, fault

from .config import ColumnsConfig, DataConfig
from .tables import Places, Table
from .times import FORMATS, Unclear, microseconds

Names = Mapping[str, tuple[str, ...]]
REQUIRED = ("user", "item", "time")
NOTHING = (
    "",
    "nan",
    "nat",
    "null",
    "none",
    "na",
    "n/a",
    "\\n",
)  # absent, as exports write it
SHOWN = 80  # characters of a value in a message
TEXTS = ("review", "summary")
IDS = ("user", "item", "basket")
OWN: Names = {name: (name,) for name in ColumnsConfig.model_fields}


@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as its files tell it.

    Attributes:
        events: ``user``, ``item`` (text), ``time`` (int64: microseconds since 1970 UTC, or the
            position where the source has order only), ``rating`` (float32), ``review``, ``summary``
            and ``basket`` (text) where the source has them, and ``row``, the record's number in its
            file as a spreadsheet counts it (see :class:`~p5rec.data.tables.Table`).
        items: ``item`` (unique), ``title``, and attributes: text, numbers or lists of text.
        files: every file that was read; the log is the first.
        ordinal: times are positions, not moments.
        incomplete: rows that were dropped because they lack a user, item, time, rating or basket.
        places: what the row numbers mean; None where there is no file.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    files: tuple[Path, ...]
    ordinal: bool = False
    incomplete: int = 0
    places: Places | None = None


@dataclass(frozen=True)
class Source:
    """A kind of input.

    Attributes:
        summary: one line for ``p5rec data sources``.
        files: the files it would read, under the part they play (``events``, ``items``).
        read: the log in them.
    """

    summary: str
    files: Callable[[DataConfig], dict[str, Path]]
    read: Callable[[DataConfig], RawLog]


def resolve(path: Path, present: list[str], chosen: ColumnsConfig, own: Names) -> dict[str, str]:
    """Which column of ``path`` plays which part.

    Args:
        path: the log, for messages.
        present: its columns.
        chosen: the user's mapping; a column named there must be present.
        own: the names that the source uses, best first.

    Raises:
        UserError: columns are missing, one line each, with the nearest names.
    """
    found: dict[str, str] = {}
    faults: list[str] = []
    for part, wanted in chosen:
        options = (wanted,) if wanted else own.get(part, ())
        name = next((option for option in options if option in present), None)
        if name is not None:
            found[part] = name
        elif wanted or part in REQUIRED:
            word = options[0] if options else part
            faults.append(
                f"{path}: expected a column {word!r} for the {part}, got none; "
                f"{did_you_mean(word, present)} (set data.columns.{part})"
            )
    if faults:
        raise UserError(*faults)
    return found


def check_events(
    table: Table, columns: Mapping[str, str], config: DataConfig
) -> tuple[pl.DataFrame, int]:
    """The canonical event frame (see :class:`RawLog`), and the number of incomplete rows dropped.

    Args:
        table: the log as read.
        columns: part → column of ``table``.
        config: says how times are written, and whether incomplete rows are dropped.

    Raises:
        UserError: no event, a user, item, time or rating missing where that is an error, a time or
            rating that cannot be read.
    """
    places, rows = table.places, table.rows
    if not len(rows):
        raise fault(places.path, "at least one event", "an empty log", "check the file")
    table.require_text(*(columns[text] for text in TEXTS if text in columns))
    raw = table.frame.select(pl.col(column).alias(part) for part, column in columns.items())
    told = {part: raw[part] for part in (*REQUIRED, "rating", "basket") if part in columns}
    absent = {part: _absent(values, part) for part, values in told.items()}
    whole = ~pl.DataFrame(absent).select(pl.any_horizontal(pl.all())).to_series()
    if config.incomplete == "drop":
        raw, rows = raw.filter(whole), rows.filter(whole)
    else:
        todo = "fill it in, or set data.incomplete to drop"
        for part, bad in absent.items():
            what = f"a {part} id" if part in IDS else f"a {part}"
            _refuse(bad, raw[part], places, rows, what, columns[part], todo)
    out = pl.DataFrame({"row": rows, **{p: as_id(raw[p]) for p in IDS if p in columns}})
    for part in out.columns[1:]:
        todo = "store ids as text or whole numbers"
        _refuse(out[part].is_null(), raw[part], places, rows, f"a {part} id", columns[part], todo)
    out = out.with_columns(_times(raw["time"], columns["time"], places, config, rows).alias("time"))
    if "rating" in columns:
        ratings, todo = _ratings(raw["rating"]), "fix or remove the row"
        bad = ~ratings.is_finite().fill_null(False)
        _refuse(bad, raw["rating"], places, rows, "a number", columns["rating"], todo)
        out = out.with_columns(ratings.alias("rating"))
    texts = [pl.col(t).cast(pl.String).fill_null("") for t in TEXTS if t in columns]
    return out.hstack(raw.select(texts)), len(table.rows) - len(raw)


def as_id(column: pl.Series) -> pl.Series:
    """Ids as text, null where empty or no id (not finite, or a column of lists, maps or bytes).

    Whole floats (a nullable integer column) lose their ``.0``.
    """
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return _nulls(column, pl.String)
    if column.dtype.is_float():
        column = column.set(~column.is_finite().fill_null(False), None)
        exact = (column.abs() < 2**53).all()  # beyond, whole floats are no exact numbers
        if exact and bool((column == column.round(0)).all()):
            column = column.cast(pl.Int64)
    text = column.cast(pl.String)
    return text.set(text == "", None)


def _absent(values: pl.Series, part: str) -> pl.Series:
    """``(E,)`` bool: nothing stands there; of numbers and times, not even a word for nothing."""
    bad = values.is_null()
    if values.dtype.is_float():
        bad |= values.is_nan().fill_null(False)
    if values.dtype == pl.String:
        words = values.str.strip_chars()
        if part in IDS:
            bad |= (words == "").fill_null(False)
        else:
            bad |= words.str.to_lowercase().is_in(NOTHING).fill_null(False)
    return bad


def _times(
    values: pl.Series, column: str, places: Places, config: DataConfig, rows: pl.Series
) -> pl.Series:
    """Microseconds since 1970 UTC ``(E,)``, all of them read."""
    chosen = config.time_format
    if not len(values):
        return _nulls(values, pl.Int64)
    try:
        times = microseconds(values, chosen)
    except Unclear as error:
        got = f"{error.got.format(*(rows[at] for at in error.rows[1:]))} in column {column!r}"
        where = places.at(rows[error.rows[0]])
        raise fault(where, error.expected, got, error.todo) from None
    wanted = "epoch or ISO 8601 time"
    todo = "fix it, or say in data.time_format how times are written"
    if chosen is not None:
        wanted = f"a time like {chosen}" if chosen not in FORMATS else f"a number ({chosen})"
        todo = "fix it, or change data.time_format"
    _refuse(times.is_null(), values, places, rows, wanted, column, todo)
    return times


def _ratings(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested() or values.dtype.is_temporal() or values.dtype == pl.Binary:
        return _nulls(values, pl.Float32)
    if not values.dtype.is_numeric():
        values = values.cast(pl.String).str.strip_chars()
    return values.cast(pl.Float32, strict=False)


def _nulls(like: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return pl.Series(like.name, [None] * len(like), dtype=dtype)


def _refuse(
    bad: pl.Series, values: pl.Series, places: Places, rows: pl.Series, expected: str,
    column: str, todo: str,
) -> None:  # fmt: skip
    if not bad.any():
        return
    at = int(bad.arg_max() or 0)
    value, more = values[at], int(bad.sum()) - 1
    value = value.to_list() if isinstance(value, pl.Series) else value
    got = "nothing" if value is None or value == "" else repr(value)[:SHOWN]
    others = f" (and {more:,} more rows)" if more else ""
    raise fault(places.at(rows[at]), f"{expected} in column {column!r}", got + others, todo)
