"""Real-world tables: no event is lost, names are no patterns, errors name the row."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hand_tables import events, log, refused, table
from typer.testing import CliRunner

from p5rec.cli.main import app
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.known import read_columns
from p5rec.data.prepare import input_digests, load_corpus, prepare_folder
from p5rec.data.reading import read_log
from p5rec.data.tables import read_table


@pytest.mark.parametrize(
    "names", [['15" screen', "x"], ["x", 'a "b" c'], ["x"] * 59 + ['one " alone'], ['say "', "x"]]
)
def test_quotation_marks_in_unused_columns_lose_no_event(tmp_path: Path, names: list[str]) -> None:
    path = table(tmp_path / "log.csv", log(names))
    assert events(path) == 60
    corpus, _ = build(DataConfig(source="table", path=str(path)))
    assert len(corpus.interactions) == 60
    done = CliRunner().invoke(
        app, ["data", "describe", "--source", "table", "--path", str(path), "--json"]
    )
    assert json.loads(done.output)["events"] == 60
    assert CliRunner().invoke(app, ["audit", str(path)]).exit_code in (0, 2)  # 2: leaks


@pytest.mark.parametrize(
    ("cell", "row", "message"),
    [
        ('"15 screen', 4, "column 'name', got '\"15 screen', which is never closed"),
        ('"Weird Al" Yankovic', 4, "column 'name', got '\"Weird Al\" Yank"),
        ('"a\\"b"', 4, "column 'name'"),
        ("a,b", 4, "expected 4 cells, got 5 cells"),
        ('"x",', 4, "expected 4 cells, got 5 cells"),
        ("x\ny", 5, "expected 4 cells, got 1 cell"),
        ("\0", 4, "got a byte 0"),
    ],
)
def test_errors_name_the_row(tmp_path: Path, cell: str, row: int, message: str) -> None:
    names = ["x", "y", cell] + ["z"] * 57
    path = table(tmp_path / "log.csv", log(names))
    refused(lambda: read_table(path), f"log.csv, row {row}: ", message)
    refused(lambda: read_columns(path, ["user"]), f"log.csv, row {row}: ", message)


def test_a_cell_over_complete_rows_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", log(["x", '"open', "y", 'close"', "z"]))
    refused(lambda: read_table(path), "log.csv, row 3: ", "close in their row")


def test_quoted_cells_may_contain_any_text(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 'a,b\r\n"x ""y""\r\n, ,z",1\r\n\r\n  ,"2"\r\n')
    result = read_table(path)
    assert result.frame.rows() == [('x "y"\r\n, ,z', "1"), ("  ", "2")]
    assert result.rows.to_list() == [2, 4]  # a blank line is a row of a spreadsheet


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n\n\n3,4\n\n", "\na,b\n1,2\n\n3,4", "a,b\r1,2\r\r\r3,4\r"]
)
def test_blank_lines_are_rows_without_records(tmp_path: Path, text: str) -> None:
    result = read_table(table(tmp_path / "t.csv", text))
    assert result.frame.rows() == [("1", "2"), ("3", "4")]
    lines = text.replace("\r", "\n").split("\n")
    assert result.rows.to_list() == [1 + lines.index("1,2"), 1 + lines.index("3,4")]


def test_text_keeps_its_spelling(tmp_path: Path) -> None:
    words = ["01003", "99999999999999999999999", "1e5", "1.50", "true", "-0", " x "]
    table(tmp_path / "t.csv", "\n".join(["item,x", *(f"{word},1" for word in words)]))
    table(tmp_path / "t.tsv", "\n".join(["item\tx", *(f"{word}\t1" for word in words)]))
    tokens = [word if word in ("1e5", "1.50", "-0", "true") or word[0] == "9" else json.dumps(word)
              for word in words]  # fmt: skip
    table(tmp_path / "t.jsonl", "\n".join(f'{{"item": {token}}}' for token in tokens))
    for name in ("t.csv", "t.tsv", "t.jsonl"):
        assert read_table(tmp_path / name, ["item"]).frame["item"].to_list() == words


def test_attributes_become_numeric_only_in_canonical_spelling(tmp_path: Path) -> None:
    rows = [
        "01003,9999999999999999999999,1995,4.5,1.50,1995.0",
        "1003,9999999999999999999998,,3,2.25,",
    ]
    names = ["code", "ean", "year", "price", "cost", "since"]
    text = "".join(f"i{n},T,{row}\n" for n, row in enumerate(rows))
    items = table(tmp_path / "items.csv", f"item,title,{','.join(names)}\n{text}")
    path = table(tmp_path / "log.csv", "user,item,time\na,i0,1\na,i1,2\na,i0,3\n")
    settings = {"path": str(items), "columns": {"attributes": {name: name for name in names}}}
    config = DataConfig(source="table", path=str(path), items=settings)
    out = tmp_path / "out"
    prepare_folder(config, out)
    catalog = load_corpus(out).catalog
    at = catalog.ids.index("i0")
    assert [catalog.values(name)[at] for name in names] == [
        ("01003",), ("9999999999999999999999",), ("1995",), ("4.5",), ("1.50",), ("1995",),
    ]  # fmt: skip
    types = {name: str(catalog.table.schema.field(name).type) for name in names}
    assert (types["year"], types["price"]) == ("int64", "double")


def test_brackets_in_names_are_no_patterns(tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "a[b]"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for suffix in ("csv", "jsonl", "parquet"):
        frame = pl.DataFrame({"user": ["a"] * 3, "item": ["x", "y", "z"], "time": [1, 2, 3]})
        writer = {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}[suffix]
        getattr(frame.with_columns(user=pl.lit("other")), writer)(f"log1.{suffix}")
        getattr(frame, writer)(f"log[1].{suffix}")
        config = DataConfig(source="table", path=f"log[1].{suffix}")
        assert read_log(config).events["user"].unique().to_list() == ["a"]
        prepare_folder(config, Path(f"out[{suffix}]"))
        assert list(load_corpus(Path(f"out[{suffix}]")).user_ids) == ["a"]
        assert read_columns(Path(f"log[1].{suffix}"), ["user"])["user"].to_list() == ["a"] * 3
    Path("log[1].csv").unlink()
    refused(lambda: events(Path("log[1].csv")), "nothing there")
    assert "not a pattern" in refused(lambda: events(Path("log*.csv")), "nothing there")


def test_a_key_may_first_appear_in_a_late_line(tmp_path: Path) -> None:
    lines = [{"user": "a", "item": f"i{n}", "time": n} for n in range(70_000)]
    lines[-1] = {**lines[-1], "rating": 4.5, "tags": ["x", ["y"]]}
    data = gzip.compress("\n".join(map(json.dumps, lines)).encode())
    result = read_table(table(tmp_path / "log.jsonl.gz", data), ["rating", "tags"])
    assert len(result.frame) == 70_000
    assert result.frame.row(-1) == ("4.5", ["x", "y"])
    assert result.frame["rating"].null_count() == 69_999
    assert set(result.names) == {"user", "item", "time", "rating", "tags"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "t.csv",
            "user,item,time,time\na,b,1,2\n",
            "expected each column name once, got 'time' in",
        ),
        ("t.csv", 'user,"a""b","a""b"\na,b,1\n', "each column name once"),
        ("t.jsonl", '{"user": 1}\n{"user": 1, "user": 2}\n', "t.jsonl:2: expected each key once"),
        ("t.jsonl", '{"user": {"a": 1}}\n', "t.jsonl:1: expected text, a number or a list"),
        ("t.jsonl", '{"user": "\\ud800"}\n', "half a character"),
        ("t.jsonl", '{"user": ' + "[" * 100_000 + "\n", "a nesting that is too deep"),
        ("t.jsonl", "[1]\n", "t.jsonl:1: expected a JSON object"),
    ],
)
def test_invalid_names_and_values_are_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = table(tmp_path / name, text)
    refused(lambda: read_table(path), message)


def test_a_repeated_parquet_column_is_refused(tmp_path: Path) -> None:
    column = pa.array(["a"])
    pq.write_table(pa.Table.from_arrays([column, column], ["user", "user"]), tmp_path / "t.parquet")
    refused(lambda: read_table(tmp_path / "t.parquet"), "'user' in columns 1 and 2")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", [1.0, float("nan"), 1.0], "row 2: expected a user id in column 'user', got nan"),
        ("user", [b"a", b"b", b"c"], "row 1: expected a user id in column 'user', got b'a'"),
        ("item", [["x"], ["y"], ["z"]], "row 1: expected a item id in column 'item', got ['x']"),
        ("time", [timedelta(1)] * 3, "row 1: expected epoch or ISO 8601 time in column 'time'"),
        ("time", [[1]] * 3, "row 1: expected epoch or ISO 8601 time in column 'time'"),
        ("rating", [{"a": 1}] * 3, "row 1: expected a number in column 'rating'"),
        ("review", [None, b"a", b"b"], "row 2: expected text or a number in column 'review'"),
        ("summary", [{"a": 1}] * 3, "row 1: expected text or a number in column 'summary'"),
    ],
)
def test_parquet_values_of_wrong_types_are_refused(
    tmp_path: Path, column: str, values: Any, message: str
) -> None:
    frame = pl.DataFrame({"user": ["a"] * 3, "item": ["x", "y", "z"], "time": [1, 2, 3]})
    path = tmp_path / "log.parquet"
    frame.with_columns(pl.Series(column, values)).write_parquet(path)
    refused(lambda: events(path), f"log.parquet, {message}")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("title", [["x"], ["y"]], "row 1: expected text or a number in column 'title'"),
        ("colour", [None, {"a": 1}], "row 2: expected text, a number or a list of them"),
        ("colour", [b"a", b"b"], "row 1: expected text, a number or a list of them"),
        ("item", [b"a", b"b"], "row 1: expected text or a number in column 'item'"),
    ],
)
def test_an_item_table_with_wrong_types_is_refused(
    tmp_path: Path, column: str, values: Any, message: str
) -> None:
    frame = pl.DataFrame({"item": ["x", "y"], "title": ["X", "Y"], "colour": ["red", "blue"]})
    frame.with_columns(pl.Series(column, values)).write_parquet(tmp_path / "items.parquet")
    path = table(tmp_path / "log.csv", "user,item,time\na,x,1\na,y,2\n")
    items = {"path": str(tmp_path / "items.parquet"), "columns": {"attributes": {"c": "colour"}}}
    refused(lambda: events(path, items=items), f"items.parquet, {message}")


class TestShards:
    """A folder of shards is a table."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "log"
        table(folder / "part-1.csv", "user,item,time\na,x,1\na,y,2\n\nb,x,3\n")
        table(folder / "part-0.csv", "item,user,time\nz,b,4\n")
        table(folder / "_SUCCESS", "")
        table(folder / ".part-0.crc", "x")
        return folder

    def test_shards_are_sorted_by_name(self, folder: Path) -> None:
        result = read_table(folder, ["user", "item"])
        assert result.frame.rows() == [("b", "z"), ("a", "x"), ("a", "y"), ("b", "x")]
        rows = [result.locations.at(row).removeprefix(f"{folder}/") for row in result.rows]
        assert rows == ["part-0.csv, row 2", "part-1.csv, row 2", "part-1.csv, row 3",
                        "part-1.csv, row 5"]  # fmt: skip

    def test_a_log(self, folder: Path) -> None:
        config = DataConfig(source="table", path=str(folder))
        assert len(read_log(config).events) == 4
        assert set(input_digests(config)) == {"events/part-0.csv", "events/part-1.csv"}
        table(folder / "part-2.csv", "user,item,time\nc,x,1\nc,y,2\nc,z,3\n")
        for command in (["audit"], ["data", "describe", "--source", "table", "--path"]):
            done = CliRunner().invoke(app, [*command, str(folder)])
            assert done.exit_code == 0, done.output

    def test_an_error_names_the_shard_and_its_row(self, folder: Path) -> None:
        table(folder / "part-2.csv", "user,item,time\na,x,7\na,x,never\n")
        refused(lambda: events(folder), "part-2.csv, row 3: ", "'never'")
        table(folder / "part-2.csv", "user,item,time\na,x,7\na,x\n")
        refused(lambda: events(folder), "part-2.csv, row 3: expected 3 cells")
        table(folder / "part-2.csv", "user,item,time\na,x,7\na,new,8\n")
        items = table(folder.parent / "items.csv", "item,title\nx,X\ny,Y\nz,Z\n")
        config = {"items": {"path": str(items)}}
        refused(
            lambda: build(DataConfig(source="table", path=str(folder), **config)),
            "part-2.csv, row 3: ", "'new'",
        )  # fmt: skip

    def test_inconsistent_shards_are_refused(self, folder: Path) -> None:
        table(folder / "part-2.csv", "user,item,when\na,x,7\n")
        refused(lambda: events(folder), "part-2.csv: expected the columns of part-0.csv", "'when'")
        (folder / "part-2.csv").unlink()
        table(folder / "notes.txt", "hello")
        refused(lambda: events(folder), "notes.txt: expected one of .csv")
        (folder / "notes.txt").unlink()
        table(folder / "part-2.jsonl", "{}")
        refused(lambda: events(folder), "shards of one kind")
        (folder / "part-2.jsonl").unlink()
        (folder / "more").mkdir()
        refused(lambda: events(folder), "only files, got the folder 'more'")

    def test_parquet_shards(self, tmp_path: Path) -> None:
        frame = pl.DataFrame({"user": [1, 1, 1], "item": ["x", "y", "z"], "time": [1, 2, 3]})
        frame.write_parquet(tmp_path / "0.parquet")
        frame.with_columns(user=pl.Series([2.0, None, 3.0])).write_parquet(tmp_path / "1.parquet")
        refused(lambda: events(tmp_path), "1.parquet, row 2: expected a user id")
        assert events(tmp_path, incomplete="drop") == 5
        frame.with_columns(user=pl.Series([2**60, 1, 1])).write_parquet(tmp_path / "0.parquet")
        refused(lambda: events(tmp_path), "1.parquet: expected column 'user' of type Int64")
        frame.with_columns(user=pl.lit("x")).write_parquet(tmp_path / "1.parquet")
        refused(lambda: events(tmp_path), "1.parquet: expected column 'user' of type Int64")

    def test_json_lines_may_lack_keys(self, tmp_path: Path) -> None:
        table(tmp_path / "0.jsonl", '{"user": 1, "item": "x", "time": 1}\n')
        table(tmp_path / "1.jsonl", '{"user": 1, "item": "y", "time": 2, "tags": ["a"]}\n')
        result = read_table(tmp_path, ["tags", "user"])
        assert result.frame.select("tags", "user").rows() == [(None, "1"), (["a"], "1")]

    def test_a_list_of_users_is_one_file(self, folder: Path) -> None:
        refused(lambda: read_columns(folder, ["user"]), "expected one table file, got a folder")
