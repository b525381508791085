"""Parsing of times in common formats as microseconds since 1970."""

from __future__ import annotations

import polars as pl

# unit, upper bound of its epoch values, microseconds per unit (1e11 s is the year 5138, 1e11 ms is
# 1973, and so on)
UNITS = (("s", 1e11, 1e6), ("ms", 1e14, 1e3), ("us", 1e17, 1.0), ("ns", float("inf"), 1e-3))
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
FORMATS = (*WORDS, "mixed", "excel")
EXCEL_EPOCH, DAY = 25_569, 86_400e6  # 1970-01-01 as a serial date of a spreadsheet
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 and 9999
ISO = (
    r"^\s*(\d{4})[-/]?(\d{2})[-/]?(\d{2})"
    r"(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9})\d*)?)?)?"
    r"\s*(?:(Z|z|UTC)|([+-]\d{2})(?::?(\d{2}))?)?\s*$"
)
PIECES = (
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "fraction",
    "utc",
    "zone",
    "zone_minute",
)
DIGITS = r"^[12]\d{3}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])((?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?$"
# ambiguous numbers: other meaning, range, pattern, advice
AMBIGUOUS = (
    ("years", 1950, 2100, r"^\d{4}$", "write dates with month and day"),
    ("months as YYYYMM", 195_001, 210_012, r"^\d{4}(0[1-9]|1[0-2])$", "write dates with a day"),
    ("serial dates of a spreadsheet", 36_526, 60_000, r"", "to excel"),
)


class AmbiguousTimes(ValueError):
    """Times with several possible meanings.

    Attributes:
        rows: row indices from 0: first that of the error, then those that fill the ``{}`` of
            ``got``.
        expected, got, todo: the texts of the message.
    """

    def __init__(self, rows: tuple[int, ...], expected: str, got: str, todo: str) -> None:
        super().__init__(f"expected {expected}, got {got}; {todo}")
        self.rows, self.expected, self.got, self.todo = rows, expected, got, todo


def microseconds(column: pl.Series, time_format: str | None = None) -> pl.Series:
    """Times ``(E,)`` as int64 microseconds since 1970 UTC; null for unreadable values.

    Args:
        column: text, numbers, dates or datetimes.
        time_format: a strptime pattern for text; ``s``, ``ms``, ``us`` or ``ns`` for epoch values
            in that unit; ``mixed`` for epoch values whose units follow from their sizes; ``excel``
            for serial dates of a spreadsheet. None parses numbers as epoch values of one unit, by
            their size, or as dates in digits, and text as ISO 8601.

    Raises:
        AmbiguousTimes: ``time_format`` is None, and the numbers have several units or another
            plausible meaning.
    """
    if column.dtype in (pl.Date, pl.Datetime):
        return _within(column.cast(pl.Datetime("us")).dt.epoch("us"))
    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype == pl.Binary:
        return pl.Series(column.name, [None], dtype=pl.Int64).new_from_index(0, len(column))
    if not column.dtype.is_numeric():
        column = column.cast(pl.String)
    numbers = column.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(False), None)
    if time_format is not None:
        return _within(_in_format(column, numbers, time_format))
    if 2 * numbers.count() < len(column) - column.null_count() or not numbers.count():
        return _within(_iso(column.cast(pl.String)))
    return _within(_numbered(numbers))


def _in_format(column: pl.Series, numbers: pl.Series, time_format: str) -> pl.Series:
    if time_format == "excel":
        return _rounded((numbers - EXCEL_EPOCH) * DAY)
    if time_format == "mixed":
        return _rounded(numbers * _scales(numbers).fill_null(1.0))
    for unit, _, scale in UNITS:
        if unit == time_format:
            return _rounded(numbers * scale)
    return _parsed(_digits(column), time_format)


def _numbered(numbers: pl.Series) -> pl.Series:
    """Numbers as dates in digits, if most have that form; else as epoch values of one unit."""
    digits = _digits(numbers)
    dates = digits.str.contains(DIGITS).fill_null(False)
    if 2 * dates.sum() >= numbers.count():
        return _iso(digits)
    scales = _scales(numbers)
    if scales.n_unique() - bool(scales.null_count()) > 1:
        raise _several_units(digits, scales)
    _check_unambiguous(numbers, digits)
    return _rounded(numbers * scales.fill_null(1.0))


def _scales(numbers: pl.Series) -> pl.Series:
    """Microseconds per unit, by the size of each number; null for 0, which fits any unit."""
    size = pl.col("n").abs()
    rule = pl.lit(None)
    for _, bound, scale in reversed(UNITS):
        rule = pl.when(size < bound).then(scale).otherwise(rule)
    rule = pl.when(size > 0).then(rule)
    return numbers.alias("n").to_frame().select(rule.cast(pl.Float64).alias("n")).to_series()


def _several_units(digits: pl.Series, scales: pl.Series) -> AmbiguousTimes:
    """The error for numbers of several units, at the first row of the rarest unit."""
    units = []
    for unit, _, scale in UNITS:
        here = (scales == scale).fill_null(False)
        if count := int(here.sum()):
            at = int(here.arg_max() or 0)
            text = f"{WORDS[unit]} in {count:,} rows (the first is row {{}}: {digits[at]})"
            units.append((count, at, text))
    return AmbiguousTimes(
        (min(units)[1], *(at for _, at, _ in units)),
        "times in one unit",
        " and ".join(text for *_, text in units),
        "convert them to one unit, or set data.time_format: mixed reads each value by its size, "
        "s, ms, us or ns reads all in that unit",
    )


def _check_unambiguous(numbers: pl.Series, digits: pl.Series) -> None:
    """Refuses numbers that could all be years, months or serial dates."""
    for what, low, high, pattern, todo in AMBIGUOUS:
        if numbers.is_between(low, high).all() and digits.str.contains(pattern).all():
            at = int(numbers.is_not_null().arg_max() or 0)
            raise AmbiguousTimes(
                (at,), "an unambiguous time",
                f"{digits[at]}; all values could be seconds since 1970 or {what}",
                f"set data.time_format to s, or {todo}",
            )  # fmt: skip


def _digits(column: pl.Series) -> pl.Series:
    """Numbers as text, whole numbers without a decimal point; text unchanged."""
    if not column.dtype.is_numeric():
        return column
    text = column.cast(pl.String)
    if not column.dtype.is_float():
        return text
    integers = column.cast(pl.Int64, strict=False)
    same = (integers.cast(pl.Float64) == column).fill_null(False)
    return integers.cast(pl.String).zip_with(same, text)


def _iso(text: pl.Series) -> pl.Series:
    """Parses ISO 8601, extended or basic; a blank for the T and offsets in hours are allowed."""
    pieces = text.alias("t").to_frame().select(pl.col("t").str.extract_groups(ISO)).unnest("t")
    pieces = pieces.rename(dict(zip(pieces.columns, PIECES, strict=True)))
    day = pl.concat_str("year", "month", "day", separator="-")
    fraction = pl.col("fraction").fill_null("0").str.pad_end(9, "0").str.head(6)
    clock = [pl.col(name).fill_null("00") for name in ("hour", "minute", "second")]
    zone = pl.col("zone").fill_null("+00") + ":" + pl.col("zone_minute").fill_null("00")
    moment = day + "T" + pl.concat_str(clock, separator=":") + "." + fraction + zone
    return _parsed(pieces.select(moment.alias(text.name)).to_series(), "%Y-%m-%dT%H:%M:%S%.f%:z")


def _parsed(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, time_unit="us", strict=False).dt.epoch("us")


def _rounded(numbers: pl.Series) -> pl.Series:
    return numbers.round(0).cast(pl.Int64, strict=False)


def _within(moments: pl.Series) -> pl.Series:
    """The moments, with null for moments outside the years 1 to 9999."""
    return moments.set(~moments.is_between(EARLIEST, LATEST).fill_null(False), None)
