"""Times of any common writing as microseconds since 1970."""

from __future__ import annotations

import polars as pl

# epoch values below the bound count in this many microseconds (1e11 s is the year 5138,
# 1e11 ms was 1973, and so on up)
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
PIECES = ("year", "month", "day", "hour", "minute", "second", "part", "utc", "zone", "zone_minute")
DIGITS = r"^[12]\d{3}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])((?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?$"
# numbers that an order may have as well as a calendar: what they may be, and from where to where
DOUBTS = (
    ("years", 1950, 2100, r"^\d{4}$", "write dates with month and day"),
    ("months as YYYYMM", 195_001, 210_012, r"^\d{4}(0[1-9]|1[0-2])$", "write dates with a day"),
    ("dates as a spreadsheet numbers days", 36_526, 60_000, r"", "to excel"),
)


class Unclear(ValueError):
    """Times that can be read in more ways than one.

    Attributes:
        rows: places from 0, the first of them that of the fault, the others those that fill the
            ``{}`` of ``got``.
        expected, got, todo: the words of a fault.
    """

    def __init__(self, rows: tuple[int, ...], expected: str, got: str, todo: str) -> None:
        super().__init__(f"expected {expected}, got {got}; {todo}")
        self.rows, self.expected, self.got, self.todo = rows, expected, got, todo


def microseconds(column: pl.Series, time_format: str | None = None) -> pl.Series:
    """Times ``(E,)`` as int64 microseconds since 1970 UTC, null where one cannot be read.

    Args:
        column: text, numbers, dates or datetimes.
        time_format: a strptime pattern for text; ``s``, ``ms``, ``us`` or ``ns`` for epoch values
            in that unit, ``mixed`` for each in the unit that its own size shows, ``excel`` for
            serial dates of a spreadsheet. None takes numbers as an epoch whose unit their size
            shows, or as dates where their digits say so, and everything else as ISO 8601.

    Raises:
        Unclear: ``time_format`` is None, and the numbers are of several units, or may count other
            things than units of time.
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
        return _within(_as_told(column, numbers, time_format))
    if 2 * numbers.count() < len(column) - column.null_count() or not numbers.count():
        return _within(_iso(column.cast(pl.String)))
    return _within(_numbered(numbers))


def _as_told(column: pl.Series, numbers: pl.Series, time_format: str) -> pl.Series:
    if time_format == "excel":
        return _whole((numbers - EXCEL_EPOCH) * DAY)
    if time_format == "mixed":
        return _whole(numbers * _scales(numbers).fill_null(1.0))
    for unit, _, scale in UNITS:
        if unit == time_format:
            return _whole(numbers * scale)
    return _parsed(_digits(column), time_format)


def _numbered(numbers: pl.Series) -> pl.Series:
    """Numbers as dates where their digits say so, else as an epoch in the one unit they have."""
    digits = _digits(numbers)
    dates = digits.str.contains(DIGITS).fill_null(False)
    if 2 * dates.sum() >= numbers.count():
        return _iso(digits)
    scales = _scales(numbers)
    if scales.n_unique() - bool(scales.null_count()) > 1:
        raise _several_units(digits, scales)
    _check_clear(numbers, digits)
    return _whole(numbers * scales.fill_null(1.0))


def _scales(numbers: pl.Series) -> pl.Series:
    """Microseconds a unit, by the size of each number; null for 0, which has no unit."""
    size = pl.col("n").abs()
    rule = pl.lit(None)
    for _, bound, scale in reversed(UNITS):
        rule = pl.when(size < bound).then(scale).otherwise(rule)
    rule = pl.when(size > 0).then(rule)
    return numbers.alias("n").to_frame().select(rule.cast(pl.Float64).alias("n")).to_series()


def _several_units(digits: pl.Series, scales: pl.Series) -> Unclear:
    """The fault of numbers in several units; it stands where the rarest of them begins."""
    found = []
    for unit, _, scale in UNITS:
        here = (scales == scale).fill_null(False)
        if count := int(here.sum()):
            at = int(here.arg_max() or 0)
            told = f"{WORDS[unit]} in {count:,} rows (the first is row {{}}: {digits[at]})"
            found.append((count, at, told))
    return Unclear(
        (min(found)[1], *(at for _, at, _ in found)),
        "times in one unit",
        " and ".join(told for *_, told in found),
        "write them in one unit, or set data.time_format: mixed takes each by its own size, "
        "s, ms, us or ns takes all in that unit",
    )


def _check_clear(numbers: pl.Series, digits: pl.Series) -> None:
    """Refuses numbers of which all may well count years, months or a spreadsheet's days."""
    for what, low, high, pattern, todo in DOUBTS:
        if numbers.is_between(low, high).all() and digits.str.contains(pattern).all():
            at = int(numbers.is_not_null().arg_max() or 0)
            raise Unclear(
                (at,), "a clear time",
                f"{digits[at]}, which like all others may count seconds since 1970 or {what},",
                f"set data.time_format to s, or {todo}",
            )  # fmt: skip


def _digits(column: pl.Series) -> pl.Series:
    """Numbers as text, whole ones without a point; text as it is."""
    if not column.dtype.is_numeric():
        return column
    text = column.cast(pl.String)
    if not column.dtype.is_float():
        return text
    whole = column.cast(pl.Int64, strict=False)
    same = (whole.cast(pl.Float64) == column).fill_null(False)
    return whole.cast(pl.String).zip_with(same, text)


def _iso(text: pl.Series) -> pl.Series:
    """ISO 8601, extended or basic, with a blank for the T, and with whole hours of an offset."""
    pieces = text.alias("t").to_frame().select(pl.col("t").str.extract_groups(ISO)).unnest("t")
    pieces = pieces.rename(dict(zip(pieces.columns, PIECES, strict=True)))
    day = pl.concat_str("year", "month", "day", separator="-")
    part = pl.col("part").fill_null("0").str.pad_end(9, "0").str.head(6)
    clock = [pl.col(name).fill_null("00") for name in ("hour", "minute", "second")]
    zone = pl.col("zone").fill_null("+00") + ":" + pl.col("zone_minute").fill_null("00")
    moment = day + "T" + pl.concat_str(clock, separator=":") + "." + part + zone
    return _parsed(pieces.select(moment.alias(text.name)).to_series(), "%Y-%m-%dT%H:%M:%S%.f%:z")


def _parsed(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, time_unit="us", strict=False).dt.epoch("us")


def _whole(numbers: pl.Series) -> pl.Series:
    return numbers.round(0).cast(pl.Int64, strict=False)


def _within(moments: pl.Series) -> pl.Series:
    """Null where a moment lies outside the years that a calendar can name."""
    return moments.set(~moments.is_between(EARLIEST, LATEST).fill_null(False), None)
