"""Times of any common writing as microseconds since 1970."""

from __future__ import annotations

import polars as pl

ISO = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%+")
# epoch values below the bound count in this many microseconds (1e11 s is the year 5138,
# 1e11 ms was 1973, and so on up)
SCALES = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (float("inf"), 1e-3))


def microseconds(column: pl.Series, time_format: str | None = None) -> pl.Series:
    """Times ``(E,)`` as int64 microseconds since 1970 UTC, null where one cannot be read.

    Args:
        column: text, numbers, dates or datetimes.
        time_format: a strptime pattern for text; None takes numbers as an epoch whose unit their
            size shows, and everything else as ISO 8601.
    """
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("us")
    if time_format is not None:
        return _parsed(column.cast(pl.String), time_format)
    numbers = column.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(False), None)
    if 2 * numbers.count() >= len(column):
        return _epoch(numbers)
    text = column.cast(pl.String).str.replace(" ", "T", literal=True)
    found = _parsed(text, ISO[0])
    for pattern in ISO[1:]:
        if not found.null_count():
            break
        found = found.fill_null(_parsed(text, pattern))
    return found


def _parsed(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, time_unit="us", strict=False).dt.epoch("us")


def _epoch(numbers: pl.Series) -> pl.Series:
    typical = numbers.abs().median()
    size = typical if isinstance(typical, float) else 0.0
    scale = next(scale for bound, scale in SCALES if size < bound)
    return (numbers * scale).round(0).cast(pl.Int64, strict=False)
