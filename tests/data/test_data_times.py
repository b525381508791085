"""Times in every common writing come to the same moment."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from p5rec.data.times import microseconds

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
        SECONDS,
        float(SECONDS),
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ],
)
def test_one_moment_many_writings(value: object) -> None:
    assert microseconds(pl.Series([value])).to_list() == [SECONDS * 10**6]


def test_mixed_iso_and_dates() -> None:
    column = pl.Series(["2020-01-02", "2020-01-02T00:00", "2020-01-02T00:00:00.5Z", "soon", None])
    day = 1577923200 * 10**6
    assert microseconds(column).to_list() == [day, day, day + 500_000, None, None]


def test_milliseconds_keep_their_order() -> None:
    column = pl.Series(["1577934245002", "1577934245001"])
    assert microseconds(column).to_list() == [1577934245002000, 1577934245001000]


def test_a_pattern_of_ones_own() -> None:
    assert microseconds(pl.Series(["02.01.2020 03:04:05"]), "%d.%m.%Y %H:%M:%S").to_list() == [
        SECONDS * 10**6
    ]
    assert microseconds(pl.Series(["2020-01-02"]), "%d.%m.%Y").to_list() == [None]


def test_no_number_no_time() -> None:
    assert microseconds(pl.Series(["881250949", "nan", "881250950", "inf"])).null_count() == 2
