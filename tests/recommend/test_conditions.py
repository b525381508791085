"""Conditions are expressions over the columns; other SQL is refused in one line."""

from __future__ import annotations

import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.recommend.conditions import rows_where

TABLE = pl.DataFrame(
    {
        "user": ["a", "b"],
        "events": [1, 2],
        "order": [5, 6],
        "odd name": [1, 2],
        "genres": [["x"], ["y", "z"]],
        "mean_rating": [1.0, None],
    }
)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("user = 'a'", [0]),
        ("'b' = \"user\"", [1]),
        ("user LIKE 'a%' AND NOT (order > 5)", [0]),
        ("user IN ('a', 'it''s') or events in(2)", [0, 1]),
        ('"odd name" BETWEEN 2 AND 3', [1]),
        ("array_contains(genres, 'y')", [1]),
        ("events > AVG(events)", [1]),
        ("AVG(events) > 1", [0, 1]),
        ("mean_rating < 2.5", [0]),
        ("CASE WHEN events = 1 THEN FALSE ELSE TRUE END", [1]),
        ("CAST(events AS VARCHAR) = '1'", [0]),
        ("user <> '-- SELECT; \"x\"'", [0, 1]),
    ],
)
def test_expressions_over_the_columns(condition: str, rows: list[int]) -> None:
    assert rows_where(condition, TABLE, "--where").tolist() == rows


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "*",
        "events",
        "evnts > 1",
        "Events > 1",
        '"usr" = 1',
        "(SELECT 1) = 1",
        "SELECT(1) = 1",
        "events IN (SELECT events FROM self)",
        "EXISTS (SELECT 1)",
        "events = 1 FROM read_csv('/etc/passwd')",
        "events = 1 UNION SELECT 2",
        "read_csv('/etc/passwd') IS NOT NULL",
        "\"read_csv\"('/etc/passwd')",
        "ROW_NUMBER() OVER (ORDER BY events) = 1",
        "other.events = 1",
        "events = 1; DROP TABLE frame",
        "events = 1 -- and more",
        "events = 1 /* and more */",
        "user = $$a$$",
        "user = 'a",
        "user = 'a'\x00",
        "user = 'x'\n",
        "NOT " * 900 + "(events = 1)",
        "(" * 1500 + "events = 1" + ")" * 1500,
        "events = 1 OR " * 100_000 + "events = 2",
        "||".join(["user"] * 600) + " <> 'x'",
    ],
)
def test_other_sql_is_refused_in_one_line(condition: str) -> None:
    with pytest.raises(UserError) as caught:
        rows_where(condition, TABLE, "--where")
    (line,) = caught.value.lines
    assert line.startswith("--where: expected a condition")
    assert "\n" not in line
    assert len(line) < 700
