"""Tables in other encodings, with other separators, and compressed."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hand_tables import events, log, refused, table

from p5rec.data.config import DataConfig
from p5rec.data.files import Dialect
from p5rec.data.known import read_columns
from p5rec.data.reading import read_log

NAMES = "user,item,time\nJosé,x,1\nJosé,y,2\nJosé,z,3\n"


@pytest.mark.parametrize(
    ("encoding", "setting"),
    [("utf-8-sig", None), ("utf-16", None), ("utf-32", None), ("latin-1", "latin-1"),
     ("cp1252", "cp1252"), ("utf-16-le", "utf-16-le"), ("gb18030", "gb18030")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["table", "sequences", "recbole"])
def test_encodings(tmp_path: Path, kind: str, encoding: str, setting: str | None) -> None:
    text, name = NAMES, "log.csv"
    if kind == "sequences":
        text, name = "José x y z\n", "log.txt"
    elif kind == "recbole":
        head = "user_id:token,item_id:token,timestamp:float"
        text, name = NAMES.replace("user,item,time", head).replace(",", "\t"), "log.inter"
    path = table(tmp_path / name, text.encode(encoding))
    log = read_log(DataConfig(source=kind, path=str(path), encoding=setting))
    assert log.events["user"].unique().to_list() == ["José"]


def test_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    text = 'user,item,time\na,"two\nlines",1\nJosé,x,2\n'
    path = table(tmp_path / "log.csv", text.encode("latin-1"))
    refused(lambda: events(path), "log.csv, row 3: expected utf-8 text, got the byte 0xe9",
            "set data.encoding to latin-1")  # fmt: skip
    items = table(tmp_path / "items.csv", "item,title\nx,é\n".encode("latin-1"))
    good = table(tmp_path / "good.csv", "user,item,time\na,x,1\n")
    refused(lambda: events(good, items={"path": str(items)}), "row 2", "set data.items.encoding")
    assert events(good, items={"path": str(items), "encoding": "latin-1"}) == 1
    assert events(good, encoding="latin-1", items={"path": str(items)}) == 1
    users = table(tmp_path / "users.csv", "user\né\n".encode("latin-1"))
    refused(lambda: read_columns(users, ["user"]), "users.csv, row 2", "save it as UTF-8")
    wide = table(tmp_path / "wide.csv", NAMES.replace("é", "e").encode("utf-16-le"))
    refused(lambda: events(wide), "row 1", "a byte 0", "utf-16-le")


def test_byte_order_marks_are_removed(tmp_path: Path) -> None:
    users = table(tmp_path / "users.csv", codecs.BOM_UTF8 + b"user\na\n")
    assert read_columns(users, ["user"]).rows() == [(2, "a")]
    lines = table(tmp_path / "t.jsonl", codecs.BOM_UTF8 + b'{"user": "a"}\n')
    assert read_columns(lines, ["user"]).rows() == [(1, "a")]


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_separators(tmp_path: Path, separator: str) -> None:
    text = f'user,item,time\na,"x{separator}1",1\n'
    path = table(tmp_path / "log.csv", text.replace(",", separator))
    line = refused(lambda: events(path), "expected columns separated by ','")
    assert f"set data.separator to {separator!r}" in line
    assert events(path, separator=separator) == 1
    items = table(tmp_path / "items.csv", f"item{separator}title\n".replace(",", separator))
    good = table(tmp_path / "good.csv", "user,item,time\na,x,1\n")
    refused(lambda: events(good, items={"path": str(items)}), "set data.items.separator to")
    refused(lambda: read_columns(path, ["user"]), "use ','")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("encoding", "klingon"), ("encoding", "hex"),
     ("separator", "::"), ("separator", '"'), ("separator", "é")],
)  # fmt: skip
def test_invalid_settings_are_refused(setting: str, value: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        DataConfig(**{"source": "table", "path": "x", setting: value})


def test_compressed_files(tmp_path: Path) -> None:
    text = log(["x"]).encode()
    halves = gzip.compress(text[:100]) + gzip.compress(text[100:])
    assert events(table(tmp_path / "log.csv.gz", halves)) == 60
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    assert events(table(tmp_path / "log.csv.zst", sink.getvalue().to_pybytes())) == 60
    half = table(tmp_path / "half.csv.gz", gzip.compress(text)[:-9])
    refused(lambda: events(half), "expected a readable csv")


def test_a_separator_reaches_sequences(tmp_path: Path) -> None:
    path = table(tmp_path / "log.txt", "a b, x y, z,\n")
    result = read_log(DataConfig(source="sequences", path=str(path), separator=","))
    assert result.events.select("user", "item").rows() == [("a b", "x y"), ("a b", "z")]


def test_a_dialect_gives_advice() -> None:
    assert Dialect(section="data").advice("separator", "';'", "-") == "set data.separator to ';'"
    assert Dialect().advice("separator", "';'", "save again") == "save again"
