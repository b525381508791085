"""Bad input: one clear line, which names file and row, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from p5rec.core.errors import UserError
from p5rec.data.config import DataConfig
from p5rec.data.prepare import prepare_folder

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
    "null user": (HEAD + GOOD + ",x,4,1\n", {}, r"log.csv, row 5: expected a user id .* nothing"),
    "null item": (HEAD + "a,,4,1\n", {}, r"log.csv, row 2: expected a item id .* got nothing"),
    "no rating": (HEAD + GOOD + "b,x,9,good\n", {}, r"row 5: expected a number .* got 'good'"),
    "ragged": (HEAD + GOOD + "b,x,9,1,7\n", {}, r"log.csv: expected a readable csv"),
    "nobody to test": (
        HEAD + "a,x,1,5\na,y,2,5\nb,x,1,5\n", {},
        r"expected a user to evaluate under the split leave-one-out, got none of 2",
    ),
    "nothing left": (HEAD + GOOD, {"min_rating": 6}, r"events to be left, got none \(dropped: min"),
    "core too deep": (HEAD + GOOD, {"k_core": {"item": 2}}, r"got none \(dropped: k_core 3\)"),
    "unknown source": (HEAD + GOOD, {"source": "tabel"}, r"did you mean 'table'"),
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


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    path = str(tmp_path / "logs.csv")
    refuse(tmp_path, {"source": "table", "path": path}, r"nothing there; did you mean 'log.csv'")


ITEM_CASES = {
    "repeated": (ITEMS + "y,again\n", r"items.csv: expected each item once, got 'y' in rows 3, 5;"),
    "lacking": (
        "item,title\nx,X\n",
        r"log.csv, row 3: expected every item of the log in the item table, got item 'y' without "
        r"a row there \(2 such items, 2 events\)",
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


def test_a_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_text("user,item,time\n")
    refuse(tmp_path, {"source": "table", "path": str(path)}, r"expected a readable parquet")


def test_a_user_with_one_event_only_trains(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD + "b,x,1,5\n")
    prepare_folder(DataConfig(source="table", path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert (tmp_path / "out" / "summary.json").is_file()


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    with pytest.raises(UserError, match="expected a new folder"):
        prepare_folder(DataConfig(source="table", path=str(tmp_path / "log.csv")), tmp_path)


def test_a_time_split_needs_times(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("a 1 2 3\n")
    config = {"source": "sequences", "path": str(tmp_path / "s.txt"), "split": "time"}
    refuse(tmp_path, config, "expected times, for the split by time, got an order only")


def test_an_attribute_may_not_stand_in_for_the_title() -> None:
    with pytest.raises(ValueError, match="title cannot name an attribute"):
        DataConfig(source="table", items={"columns": {"attributes": {"title": "name"}}})
