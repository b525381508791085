"""Round trips: tables of any content and format are read as written, or refused with a row."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.data.files import Dialect
from p5rec.data.tables import Table, read_table

Cells = list[list[str]]

PIECES = ['"', '""', ",", ";", "\t", "|", "\n", "\r", "\r\n", " ", "'", "\\", "é", "界", "\u2028",
          "0", "7", "a", "#", "=", "-", ".", "e", "\ufeff", "{", "null", '15" x']  # fmt: skip
CELL = st.one_of(
    st.sampled_from(["", "01003", "99999999999999999999999", "1e5", "1.50", "-0", "True", " a "]),
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)
NAME = st.text(st.sampled_from("abcé界 _0"), min_size=1, max_size=4).map(lambda name: f"n{name}")
FORMATS = ["csv", "semicolon", "tsv", "raw", "jsonl", "parquet"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], Cells]:
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    row = st.lists(CELL, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, min_size=1, max_size=6))


def delimited(rows: Cells, separator: str, ending: str, quoting: Any) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=separator, lineterminator=ending, quoting=quoting).writerows(rows)
    return sink.getvalue()


def plainer(cell: str) -> str:
    """A cell that needs no quotation; marks inside it stay."""
    return re.sub(r"[\r\n;]", "", cell).lstrip('"')


def as_json(names: list[str], cells: list[str]) -> str:
    """A JSON object without the empty cells; numeric texts become numbers."""
    tokens = [
        f"{json.dumps(name)}: {cell if re.fullmatch('-?[1-9][0-9]*', cell) else json.dumps(cell)}"
        for name, cell in zip(names, cells, strict=True)
        if cell
    ]
    return "{" + ", ".join(tokens) + "}"


def written(
    draw: st.DataObject, kind: str, names: list[str], cells: Cells, folder: Path
) -> tuple[Path, Dialect]:
    encoding = draw.draw(st.sampled_from(ENCODINGS))
    packed = draw.draw(st.sampled_from(["", ".gz"]))
    dialect = Dialect(None if encoding in ("utf-8", "utf-8-sig", "utf-16") else encoding)
    if kind == "parquet":
        path = folder / "t.parquet"
        pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row").write_parquet(
            path
        )
        return path, dialect
    if kind == "jsonl":
        text = "".join(as_json(names, row) + "\n" for row in cells)
    else:
        separator = {"csv": ",", "tsv": "\t"}.get(kind, ";")
        ending = draw.draw(st.sampled_from(["\n", "\r\n"]))
        if kind == "raw":
            lines = [separator.join(row) for row in [names, *cells]]
            text = ending.join(lines) + draw.draw(st.sampled_from(["", ending, ending * 3]))
        else:
            quoting = draw.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
            if any("\r" in cell for row in cells for cell in row):
                quoting = csv.QUOTE_ALL
            text = delimited([names, *cells], separator, ending, quoting)
        dialect = Dialect(dialect.encoding, separator if separator == ";" else None, "data")
    data = text.encode(encoding)
    path = folder / f"t.{kind if kind in ('tsv', 'jsonl') else 'csv'}{packed}"
    path.write_bytes(gzip.compress(data) if packed else data)
    return path, dialect


def read_or_refused(path: Path, names: list[str], dialect: Dialect) -> Table | UserError:
    try:
        return read_table(path, names, dialect)
    except UserError as error:
        return error


@pytest.mark.parametrize("kind", FORMATS)
@given(table=tables(), draw=st.data())
def test_round_trip(kind: str, table: tuple[list[str], Cells], draw: st.DataObject) -> None:
    names, cells = table
    if kind == "raw":
        cells = [[plainer(cell) for cell in row] for row in cells]
        if len(names) == 1:
            cells = [row for row in cells if row[0]]  # an empty cell would be a blank line
    with TemporaryDirectory() as folder:
        path, dialect = written(draw, kind, names, cells, Path(folder))
        result = read_or_refused(path, names, dialect)
    if isinstance(result, UserError):  # a text of several lines that look like rows
        assert len(result.lines) == 1
        assert re.search(r", row \d+: ", result.lines[0])
        assert any("\n" in cell or "\r" in cell for row in cells for cell in row)
        return
    empty = "" if kind == "parquet" else None
    columns = pl.DataFrame({" ": result.rows}).hstack(result.frame)
    absent = [pl.lit(None).alias(name) for name in names if name not in result.names]
    have = columns.with_columns(absent).select(names)
    assert have.rows() == [tuple(cell or empty for cell in row) for row in cells]
    first = 1 if kind in ("parquet", "jsonl") else 2
    assert result.rows.to_list() == list(range(first, first + len(cells)))


def test_a_table_as_polars_writes_it(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": ["01", "2", "3"],
            "title": ['15" screen, black', "two\nlines", "it's"],
            "score": [0.25, 1e-9, 3.0],
        }
    )
    frame.write_csv(tmp_path / "t.csv")
    frame.write_ndjson(tmp_path / "t.jsonl")
    frame.write_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        result = read_table(tmp_path / name)
        assert result.frame.with_columns(pl.col("score").cast(pl.Float64)).equals(frame)
