"""Parsing of single cells of a log: ids, numbers, missing values; ids as row numbers."""

from __future__ import annotations

import numpy as np
import polars as pl

from p5rec.core.errors import input_error

from .tables import RowLocations

NOTHING = (
    "",
    "nan",
    "nat",
    "null",
    "none",
    "na",
    "n/a",
    "\\n",
)  # common spellings of a missing value
IDS = ("user", "item", "basket")
WORDS = (*IDS, "behaviour.column", "category")  # fields in which "none" is an ordinary value
MAX_CHARS = 80  # characters of a value in a message


def as_id(column: pl.Series) -> pl.Series:
    """Ids as text; null for empty and invalid ids (not finite, or of a nested or binary column).

    Whole floats (a nullable integer column) lose their ``.0``.
    """
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return nulls(column, pl.String)
    if column.dtype.is_float():
        column = column.set(~column.is_finite().fill_null(False), None)
        exact = (column.abs() < 2**53).all()  # larger whole floats are not exact
        if exact and bool((column == column.round(0)).all()):
            column = column.cast(pl.Int64)
    text = column.cast(pl.String)
    return text.set(text == "", None)


def absent(values: pl.Series, field: str) -> pl.Series:
    """``(E,)`` bool: the cell is empty or, for numbers and times, a word for a missing value."""
    bad = values.is_null()
    if values.dtype.is_float():
        bad |= values.is_nan().fill_null(False)
    if values.dtype == pl.String:
        words = values.str.strip_chars()
        if field in WORDS:
            bad |= (words == "").fill_null(False)
        else:
            bad |= words.str.to_lowercase().is_in(NOTHING).fill_null(False)
    return bad


def as_number(values: pl.Series) -> pl.Series:
    """The values as float32; null for values that are not numbers."""
    if values.dtype.is_nested() or values.dtype.is_temporal() or values.dtype == pl.Binary:
        return nulls(values, pl.Float32)
    if not values.dtype.is_numeric():
        values = values.cast(pl.String).str.strip_chars()
    return values.cast(pl.Float32, strict=False)


def nulls(like: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """A series of nulls with the length of ``like``."""
    return pl.Series(like.name, [None] * len(like), dtype=dtype)


def refuse(
    bad: pl.Series, values: pl.Series, locations: RowLocations, rows: pl.Series, expected: str,
    column: str, todo: str,
) -> None:  # fmt: skip
    """Refuses rows with a bad value in ``column``.

    Args:
        bad: ``(E,)`` bool.
        values: ``(E,)`` the values as read.
        locations, rows: the location of each value, ``(E,)``.
        expected, todo: texts of the message.

    Raises:
        UserError: a value is bad; the message names the first one and their number.
    """
    if not bad.any():
        return
    at = int(bad.arg_max() or 0)
    value, more = values[at], int(bad.sum()) - 1
    value = value.to_list() if isinstance(value, pl.Series) else value
    got = "nothing" if value is None or value == "" else repr(value)[:MAX_CHARS]
    others = f" (and {more:,} more rows)" if more else ""
    raise input_error(
        locations.at(rows[at]), f"{expected} in column {column!r}", got + others, todo
    )


def indices(column: pl.Series, ids: pl.Series) -> np.ndarray:
    """``(E,)`` int32 index of each value in ``ids``; -1 for null."""
    indices = column.cast(pl.Enum(ids)).to_physical().cast(pl.Int32)
    return indices.fill_null(-1).to_numpy()
