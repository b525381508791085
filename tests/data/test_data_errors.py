"""Bad input: a one-line error with file and row, and no output."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.describe import dropped_notes
from p5rec.data.prepare import prepare_folder
from p5rec.data.reading import read_log

HEAD = "user,item,time,rating\n"
GOOD = "a,x,1,5\na,y,2,4\na,z,3,3\n"
ITEMS = "item,title\nx,X\ny,Y\nz,Z\n"

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "empty file": ("", {}, r"log.csv: expected a readable csv, got an empty file"),
    "empty log": (HEAD, {}, r"log.csv: expected at least one event, got an empty log"),
    "missing column": (
        "user,item,tiem\na,x,1\n", {},
        r"log.csv: expected a column 'time' for the time, got none; did you mean 'tiem'\?",
    ),
    "mapped column missing": (
        HEAD + GOOD, {"columns": {"review": "text"}},
        r"log.csv: expected a column 'text' for the review, got none; known: item, rating",
    ),
    "no time": (
        HEAD + GOOD + "b,x,yesterday,1\n", {},
        r"log.csv, row 5: expected epoch or ISO 8601 time in column 'time', got 'yesterday'",
    ),
    "no time by pattern": (
        HEAD + GOOD, {"time_format": "%d.%m.%Y"},
        r"log.csv, row 2: expected a time like %d.%m.%Y in column 'time', got '1' "
        r"\(and 2 more rows\)",
    ),
    "several units": (
        HEAD + "a,x,1601058756000,5\na,y,1601058757,4\na,z,1601058758,3\n", {},
        r"log.csv, row 2: expected times in one unit, got seconds in 2 rows \(the first is row 3: "
        r"1601058757\) and milliseconds in 1 rows \(the first is row 2: 1601058756000\) in column "
        r"'time'; .* data.time_format: mixed",
    ),
    "the wrong unit": (
        HEAD + "a,x,1601058756000,5\n", {"time_format": "s"},
        r"row 2: expected a number \(s\) in column 'time', got '1601058756000'; .*time_format",
    ),
    "form not recognised": (
        HEAD + "a,x,02.01.2024,5\na,y,03.01.2024,5\n", {},
        r"row 2: .* got '02.01.2024' \(and 1 more rows\); fix it, or set data.time_form",
    ),
    "a month": (
        HEAD + "a,x,202401,5\na,y,202402,5\n", {}, r"row 2: expected an unambiguous time, .*YYYY"
    ),
    "no time at all": (
        HEAD + GOOD + "b,x,,1\nb,y,NaN,1\n", {},
        r"row 5: expected a time in column 'time', got nothing \(and 1 more rows\); fill it in, "
        r"or set data.incomplete to drop",
    ),
    "all incomplete": (
        HEAD + "a,x,,5\n", {"incomplete": "drop"}, r"filtering, got none \(dropped: inco"
    ),
    "null user": (HEAD + GOOD + ",x,4,1\n", {}, r"log.csv, row 5: expected a user id .* nothing"),
    "null item": (HEAD + "a,,4,1\n", {}, r"log.csv, row 2: expected a item id .* got nothing"),
    "no rating": (HEAD + GOOD + "b,x,9,good\n", {}, r"row 5: expected a number .* got 'good'"),
    "ragged": (HEAD + GOOD + "b,x,9,1,7\n", {}, r"log.csv, row 5: expected 4 cells, got 5 cells"),
    "nobody to test": (
        HEAD + "a,x,1,5\na,y,2,5\nb,x,1,5\n", {},
        r"expected a user to evaluate under the split leave-one-out, got none of 2",
    ),
    "nothing left": (HEAD + GOOD, {"min_rating": 6}, r"filtering, got none \(dropped: min"),
    "core too deep": (HEAD + GOOD, {"k_core": {"item": 2}}, r"got none \(dropped: k_core 3\)"),
    "unknown kind": (HEAD, {"path": "log.xls"}, r"log.xls: expected one of .csv"),
}  # fmt: skip


def refuse(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(UserError, match=message) as caught:
        prepare_folder(DataConfig(**config), out)
    assert len(caught.value.lines) == 1
    assert "\n" not in caught.value.lines[0]
    assert not out.parent.exists()


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_nothing_written(tmp_path: Path, monkeypatch: Any, case: str) -> None:
    text, config, message = CASES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(text)
    (tmp_path / "log.xls").write_text(text)
    refuse(tmp_path, {"source": "table", "path": "log.csv"} | config, message)


def test_a_missing_file_suggests_near_names(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    path = str(tmp_path / "logs.csv")
    refuse(tmp_path, {"source": "table", "path": path}, r"nothing there; did you mean 'log.csv'")


ITEM_CASES = {
    "repeated": (ITEMS + "y,again\n", r"items.csv: expected each item once, got 'y' in rows 3, 5;"),
    "lacking": (
        "item,title\nx,X\n",
        r"log.csv, row 3: expected every item of the log in the item table, got item 'y' without "
        r"a row there \(2 unknown items, 2 events\)",
    ),
    "no id": ("item,title\n,X\n", r"items.csv, row 2: expected an item id, got nothing"),
    "no title": ("item,titel\nx,X\n", r"items.csv: expected a column 'title' .*'titel'"),
}


@pytest.mark.parametrize("case", ITEM_CASES)
def test_a_bad_item_table(tmp_path: Path, case: str) -> None:
    text, message = ITEM_CASES[case]
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    (tmp_path / "items.csv").write_text(text)
    items = {"path": str(tmp_path / "items.csv")}
    refuse(
        tmp_path, {"source": "table", "path": str(tmp_path / "log.csv"), "items": items}, message
    )


def test_broken_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": 1, "item": 2, "time": 3}\n{"user": 1 "item": 2}\n')
    refuse(tmp_path, {"source": "table", "path": str(path)}, r"log.jsonl:2: expected a JSON object")


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_text("user,item,time\n")
    refuse(tmp_path, {"source": "table", "path": str(path)}, r"expected a readable parquet")


def test_the_event_of_a_user_with_one_event_is_training(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD + "b,x,1,5\n")
    prepare_folder(DataConfig(source="table", path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert (tmp_path / "out" / "summary.json").is_file()


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    with pytest.raises(UserError, match="expected a new folder"):
        prepare_folder(DataConfig(source="table", path=str(tmp_path / "log.csv")), tmp_path)


def test_a_time_split_needs_times(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("a 1 2 3\n")
    config = {"source": "sequences", "path": str(tmp_path / "s.txt"), "split": "time"}
    refuse(tmp_path, config, "expected times, for the split by time, got an order only")


def test_an_attribute_cannot_replace_the_title() -> None:
    with pytest.raises(ValueError, match="title cannot name an attribute"):
        DataConfig(source="table", items={"columns": {"attributes": {"title": "name"}}})


def test_incomplete_rows_can_be_dropped_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEAD + ",x,1,5\n" + GOOD + "b,,4,1\nb,x,,1\nb,y,null,1\nb,x,5,\nb,x,7,1\n")
    config = DataConfig(source="table", path=str(path), incomplete="drop")
    assert read_log(config).events["row"].to_list() == [3, 4, 5, 10]
    corpus, summary = build(config)
    assert (len(corpus.interactions), summary["dropped"]["incomplete"]) == (4, 5)
    assert dropped_notes(summary) == [
        "5 rows of the log lack a user, item, time or rating: dropped."
    ]
    with open(path, "a") as log:  # messages use the row numbers of the file
        log.write("b,x,soon,1\n")
    with pytest.raises(UserError, match=r"row 11: .* got 'soon'"):
        build(config)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", [1.0, float("nan"), 2.0], r"row 2: expected a user id in column 'user', got nan"),
        ("user", [1.0, float("inf"), 2.0], r"row 2: expected a user id in column 'user', got inf"),
        ("item", [b"x", b"y", b"z"], r"row 1: expected a item id in column 'item', got b'x'"),
        ("item", [["x"], ["y"], ["z"]], r"row 1: expected a item id in column 'item', got \['x'"),
        ("time", [timedelta(1)] * 3, r"row 1: .* in column 'time', got datetime.timedelta"),
        ("time", [{"t": 1}] * 3, r"row 1: .* in column 'time', got \{'t': 1\}"),
        ("rating", [[1.0]] * 3, r"row 1: expected a number in column 'rating', got \[1.0\]"),
    ],
)
def test_parquet_columns_of_wrong_types(
    tmp_path: Path, column: str, values: list[object], message: str
) -> None:
    columns = {"user": ["a"] * 3, "item": ["x", "y", "z"], "time": [1, 2, 3], "rating": [1.0] * 3}
    pl.DataFrame(columns | {column: values}).write_parquet(tmp_path / "log.parquet")
    refuse(tmp_path, {"source": "table", "path": str(tmp_path / "log.parquet")}, message)
