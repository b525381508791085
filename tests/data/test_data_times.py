"""Times in common formats give the same moment."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest

from p5rec.data.times import AmbiguousTimes, microseconds

MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = 1577934245


@pytest.mark.parametrize(
    "value",
    [
        str(SECONDS),
        f"{SECONDS}.0",
        str(SECONDS * 10**3),
        str(SECONDS * 10**6),
        str(SECONDS * 10**9),
        "2020-01-02T03:04:05",
        "2020-01-02 03:04:05.000",
        "2020-01-02T03:04:05Z",
        "2020-01-02T05:04:05+02:00",
        "2020-01-02 03:04:05+00",
        "2020-01-02 05:04:05.000+0200",
        "2020-01-02 03:04:05 UTC",
        "20200102T030405Z",
        "20200102T030405.0",
        "2020/01/02 03:04:05",
        "20200102030405",
        20200102030405,
        SECONDS,
        float(SECONDS),
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ],
)
def test_one_moment_in_many_formats(value: object) -> None:
    assert microseconds(pl.Series([value])).to_list() == [SECONDS * 10**6]


def test_mixed_iso_and_dates() -> None:
    column = pl.Series(["2020-01-02", "2020-01-02T00:00", "2020-01-02T00:00:00.5Z", "soon", None])
    day = 1577923200 * 10**6
    assert microseconds(column).to_list() == [day, day, day + 500_000, None, None]


def test_milliseconds_keep_their_order() -> None:
    column = pl.Series(["1577934245002", "1577934245001"])
    assert microseconds(column).to_list() == [1577934245002000, 1577934245001000]


def test_a_custom_pattern() -> None:
    assert microseconds(pl.Series(["02.01.2020 03:04:05"]), "%d.%m.%Y %H:%M:%S").to_list() == [
        SECONDS * 10**6
    ]
    assert microseconds(pl.Series(["2020-01-02"]), "%d.%m.%Y").to_list() == [None]


def test_values_that_are_no_numbers_are_null() -> None:
    assert microseconds(pl.Series(["881250949", "nan", "881250950", "inf"])).null_count() == 2


def test_dates_as_digits() -> None:
    days = [1577923200 * 10**6, 1578009600 * 10**6]
    for column in (["20200102", "20200103"], [20200102, 20200103], [20200102.0, 20200103.0]):
        assert microseconds(pl.Series(column)).to_list() == days
    assert microseconds(pl.Series(["20200102", "20201399", "20200103"]))[1] is None


@pytest.mark.parametrize("unit", [10**3, 10**6, 10**9])
@pytest.mark.parametrize("dtype", [pl.String, pl.Int64])
def test_mixed_units_need_a_setting(unit: int, dtype: type[pl.DataType]) -> None:
    column = pl.Series([SECONDS, SECONDS * unit, SECONDS + 1, 0]).cast(dtype)
    with pytest.raises(
        AmbiguousTimes, match=r"seconds in 2 rows .* and .*seconds in 1 rows"
    ) as caught:
        microseconds(column)
    assert caught.value.rows == (1, 0, 1)
    assert microseconds(column, "mixed").to_list() == [
        SECONDS * 10**6, SECONDS * 10**6, (SECONDS + 1) * 10**6, 0
    ]  # fmt: skip
    assert microseconds(column, "s")[0] == SECONDS * 10**6


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["2019", "2020"], "years"),
        ([201901, 201902], "YYYYMM"),
        ([43831.5, 43832.25], "data.time_format to s, or to excel"),
    ],
)
def test_ambiguous_numbers_are_refused(column: list[object], message: str) -> None:
    with pytest.raises(AmbiguousTimes, match=message):
        microseconds(pl.Series(column))
    assert microseconds(pl.Series(column), "s").null_count() == 0


def test_serial_dates_of_a_spreadsheet() -> None:
    assert microseconds(pl.Series([43832.0, 43832.5]), "excel").to_list() == [
        1577923200 * 10**6, 1577966400 * 10**6
    ]  # fmt: skip


def test_a_year_beyond_the_calendar_is_no_time() -> None:
    assert microseconds(pl.Series([SECONDS * 1000]), "s").to_list() == [None]


@pytest.mark.parametrize("value", [timedelta(days=1), time(1), b"1577934245", [1], {"a": 1}])
def test_columns_of_other_types_give_nulls(value: object) -> None:
    assert microseconds(pl.Series([value, value])).to_list() == [None, None]


def test_positions_stay_positions() -> None:
    assert microseconds(pl.Series([0, 1, 2, 1999])).to_list() == [0, 10**6, 2 * 10**6, 1999 * 10**6]
