"""What single cells of a log hold: ids, numbers, or nothing."""

from __future__ import annotations

import polars as pl

from p5rec.core.errors import input_error

from .tables import Places

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
IDS = ("user", "item", "basket")
WORDS = (*IDS, "behaviour.column", "category")  # where "none" is a word like others
SHOWN = 80  # characters of a value in a message


def as_id(column: pl.Series) -> pl.Series:
    """Ids as text, null where empty or no id (not finite, or a column of lists, maps or bytes).

    Whole floats (a nullable integer column) lose their ``.0``.
    """
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return nulls(column, pl.String)
    if column.dtype.is_float():
        column = column.set(~column.is_finite().fill_null(False), None)
        exact = (column.abs() < 2**53).all()  # beyond, whole floats are no exact numbers
        if exact and bool((column == column.round(0)).all()):
            column = column.cast(pl.Int64)
    text = column.cast(pl.String)
    return text.set(text == "", None)


def absent(values: pl.Series, part: str) -> pl.Series:
    """``(E,)`` bool: nothing stands there; of numbers and times, not even a word for nothing."""
    bad = values.is_null()
    if values.dtype.is_float():
        bad |= values.is_nan().fill_null(False)
    if values.dtype == pl.String:
        words = values.str.strip_chars()
        if part in WORDS:
            bad |= (words == "").fill_null(False)
        else:
            bad |= words.str.to_lowercase().is_in(NOTHING).fill_null(False)
    return bad


def as_number(values: pl.Series) -> pl.Series:
    """Float32, null where no number stands."""
    if values.dtype.is_nested() or values.dtype.is_temporal() or values.dtype == pl.Binary:
        return nulls(values, pl.Float32)
    if not values.dtype.is_numeric():
        values = values.cast(pl.String).str.strip_chars()
    return values.cast(pl.Float32, strict=False)


def nulls(like: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """As many nulls as ``like`` has values."""
    return pl.Series(like.name, [None] * len(like), dtype=dtype)


def refuse(
    bad: pl.Series, values: pl.Series, places: Places, rows: pl.Series, expected: str,
    column: str, todo: str,
) -> None:  # fmt: skip
    """Refuses rows whose value in ``column`` is ``bad``.

    Args:
        bad: ``(E,)`` bool.
        values: ``(E,)`` as they were read.
        places, rows: where each stands, ``(E,)``.
        expected, todo: for the message.

    Raises:
        UserError: it names the first of them, and how many there are.
    """
    if not bad.any():
        return
    at = int(bad.arg_max() or 0)
    value, more = values[at], int(bad.sum()) - 1
    value = value.to_list() if isinstance(value, pl.Series) else value
    got = "nothing" if value is None or value == "" else repr(value)[:SHOWN]
    others = f" (and {more:,} more rows)" if more else ""
    raise input_error(places.at(rows[at]), f"{expected} in column {column!r}", got + others, todo)
