"""CSV and its kin: every record of the file, or a line that names the row.

A cell that begins with a quotation mark ends at the next single one, and holds separators, line
ends and doubled marks in between (RFC 4180); a mark anywhere else is a character like others. A
file without marks is cut at its separators by Polars, one with marks is read by Python's strict
``csv``; each is held against a count of its own.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from p5rec.core.errors import UserError, input_error

from .files import BLOCK, Dialect, telling

QUOTE, SHOWN = '"', 40
SEPARATORS = ";\t|,"
BATCH = 1 << 16  # records
NEWLINE = 10


class Records(NamedTuple):
    """What one file holds.

    Attributes:
        names: of all its columns.
        frame: those that were wanted and are there.
        rows: ``(E,)`` uint32, each record's number as a spreadsheet counts it.
    """

    names: list[str]
    frame: pl.DataFrame
    rows: np.ndarray


def read_delimited(
    data: bytes,
    path: Path,
    separator: str,
    wanted: Sequence[str] | None = None,
    *,
    names: Sequence[str] = (),
    quotes: bool = True,
    dialect: Dialect | None = None,
) -> Records:
    """The wanted columns as text, null where a cell is empty.

    Args:
        data: the file's text, UTF-8.
        path: the file, for messages.
        separator: one ASCII character.
        wanted: names of columns; None takes all.
        names: of the columns of a file without a header.
        quotes: a quotation mark may open a cell.
        dialect: says where a separator is set, for messages.

    Raises:
        UserError: a column is named twice, a row has too many or too few cells, or quotation marks
            cannot be told apart; it names the row.
    """
    place = _Place(path, separator, list(names), dialect or Dialect())
    if quotes and QUOTE.encode() in data:
        return _quoted(data, place, wanted)
    return _plain(data, place, wanted)


class _Place(NamedTuple):
    """What messages and both readers need."""

    path: Path
    separator: str
    names: list[str]
    dialect: Dialect

    def columns(self, header: list[str]) -> list[str]:
        """The columns of a file whose first record is ``header``, checked."""
        if self.names:
            return self.names
        only = header[0] if len(header) == 1 else ""
        if found := next((s for s in SEPARATORS if s != self.separator and s in only), None):
            todo = self.dialect.remedy("separator", repr(found), f"use {self.separator!r}")
            got = f"one column {only[:SHOWN]!r}"
            raise input_error(self.path, f"columns separated by {self.separator!r}", got, todo)
        return check_names(self.path, header)

    def ragged(self, row: int, found: int, expected: int) -> UserError:
        """The fault of a row with ``found`` cells."""
        todo = "quote cells that hold separators, or fix the row"
        return input_error(f"{self.path}, row {row}", _cells(expected), _cells(found), todo)


def check_names(path: Path, names: list[str]) -> list[str]:
    """``names``, each of them once; nameless columns may be several.

    Raises:
        UserError: a name is there twice.
    """
    for at, name in enumerate(names):
        if name and name in names[:at]:
            got = f"{name!r} in columns {names.index(name) + 1} and {at + 1}"
            raise input_error(path, "each column name once", got, "rename or remove one of them")
    return names


def _cells(number: int) -> str:
    return f"{number} cell" + "s" * (number != 1)


def _chosen(names: list[str], wanted: Sequence[str] | None) -> dict[str, int]:
    """Name → place of the wanted columns."""
    places = {name: at for at, name in enumerate(names) if name}
    return (
        places if wanted is None else {n: places[n] for n in dict.fromkeys(wanted) if n in places}
    )


def _plain(data: bytes, place: _Place, wanted: Sequence[str] | None) -> Records:
    data = _newlines(data)
    cells = _cells_of_lines(data, place.separator)
    full = np.flatnonzero(cells)
    first = data.lstrip(b"\n").split(b"\n", 1)[0].decode()
    names = place.columns(first.split(place.separator))
    bad = full[cells[full] != len(names)]
    if len(bad):
        raise place.ragged(int(bad[0]) + 1, int(cells[bad[0]]), len(names))
    if len(full) < len(cells):
        data = re.sub(rb"\n{2,}", b"\n", data).lstrip(b"\n")
    rows = (full if place.names else full[1:]) + 1
    chosen = _chosen(names, wanted)
    frame = pl.DataFrame(schema=dict.fromkeys(chosen, pl.String()))
    if len(rows) and chosen:
        in_order = sorted(chosen, key=chosen.__getitem__)
        with telling(place.path, "table"):
            frame = pl.read_csv(
                data,
                has_header=False,
                skip_rows=0 if place.names else 1,
                columns=sorted(chosen.values()),
                separator=place.separator,
                quote_char=None,
                infer_schema=False,
            )
        frame = frame.rename(dict(zip(frame.columns, in_order, strict=True))).select(list(chosen))
        if len(frame) != len(rows):
            got = f"{len(frame):,} from the parser"
            raise input_error(
                place.path, f"{len(rows):,} records, one a line", got, "report this file"
            )
    return Records(names, frame, rows.astype(np.uint32))


def _newlines(data: bytes) -> bytes:
    """``data`` with every line end as one byte."""
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _cells_of_lines(data: bytes, separator: str) -> np.ndarray:
    """``(lines,)`` the number of cells in each line, whatever its marks; 0 in an empty one."""
    array = np.frombuffer(data, dtype=np.uint8)
    ends, before, seen = [np.array([-1])], [np.array([0])], 0
    for start in range(0, len(array), BLOCK):
        block = array[start : start + BLOCK]
        cuts = np.flatnonzero(block == ord(separator))
        found = np.flatnonzero(block == NEWLINE)
        ends.append(found + start)
        before.append(np.searchsorted(cuts, found) + seen)
        seen += len(cuts)
    if len(array) and array[-1] != NEWLINE:
        ends.append(np.array([len(array)]))
        before.append(np.array([seen]))
    cells = np.diff(np.concatenate(before)) + 1
    cells[np.diff(np.concatenate(ends)) == 1] = 0
    return cells


def _quoted(data: bytes, place: _Place, wanted: Sequence[str] | None) -> Records:
    names: list[str] = []
    chosen: dict[str, int] = {}
    frames, rows, batch = [], [], []
    before, over = 0, (0, 0)  # the first record that runs over lines, and where it ends
    for row, line, record in _records(data, place):
        if line > before + 1 and not over[0]:
            over = row, line
        before = line
        if not record:
            continue
        if not names:
            names = place.columns(record)
            chosen = _chosen(names, wanted)
            if not place.names:
                continue
        if len(record) != len(names):
            raise place.ragged(row, len(record), len(names))
        rows.append(row)
        batch.append(record)
        if len(batch) == BATCH:
            frames.append(_as_frame(batch, chosen))
            batch.clear()
    frames.append(_as_frame(batch, chosen))
    if over[0]:
        _check_lines(data, place, len(names), *over)
    return Records(names, pl.concat(frames), np.array(rows, dtype=np.uint32))


def _as_frame(batch: list[list[str]], chosen: dict[str, int]) -> pl.DataFrame:
    columns = {name: [record[at] for record in batch] for name, at in chosen.items()}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(chosen, pl.String()))
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _lines(data: bytes) -> Iterable[str]:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")


def _reader(data: bytes, separator: str) -> Any:  # csv's own class has no public name
    return csv.reader(_lines(data), delimiter=separator, strict=True)


def _records(data: bytes, place: _Place) -> Iterator[tuple[int, int, list[str]]]:
    """Each record with its number and that of its last line."""
    reader, row = _reader(data, place.separator), 0
    try:
        for row, record in enumerate(reader, 1):
            yield row, reader.line_num, record
    except csv.Error:
        raise _misquoted(data, place, row + 1) from None


def _check_lines(data: bytes, place: _Place, columns: int, row: int, line: int) -> None:
    """Refuses cells that run over lines where each line is a whole row, marks or not.

    One cell begins with a mark and a later one ends with one: they may well be inches or names,
    and the rows between would be lost in a cell.

    Args:
        row, line: the first record that runs over lines, and the last of its lines.
    """
    cells = _cells_of_lines(_newlines(data), place.separator)
    if columns > 1 and bool(np.isin(cells, (0, columns)).all()):
        raise input_error(
            f"{place.path}, row {row}",
            "quotation marks that close in their row",
            f"a cell that runs on to line {line}, though each line is a row by itself",
            'double the marks and quote the cell ("15"" screen"), or remove them',
        )


def _misquoted(data: bytes, place: _Place, row: int) -> UserError:
    """What is wrong with the marks of a record, and in which column."""
    reader = _reader(data, place.separator)
    header = place.names
    for number, record in enumerate(reader, 1):
        header = header or record
        if number == row - 1:
            break
    start = reader.line_num if row > 1 else 0
    text = "".join(islice(_lines(data), start, None))
    column, cell, closed = _faulty_cell(text, place.separator)
    name = repr(header[column]) if column < len(header) else f"{column + 1}"
    got = f"{cell[:SHOWN]!r}" if closed else f"{cell[:SHOWN]!r}, which is never closed"
    return input_error(
        f"{place.path}, row {row}",
        f"paired quotation marks in column {name}",
        got,
        'double marks inside a quoted cell ("15"" screen"), or remove them',
    )


def _faulty_cell(text: str, separator: str) -> tuple[int, str, bool]:
    """The first cell of the record at the start of ``text`` whose marks are wrong.

    Returns:
        Its column from 0, its text from the mark that opens it on, and whether it is closed.
    """
    at = column = 0
    while at < len(text):
        start = at
        if text[at] == QUOTE:
            at += 1
            while (at := text.find(QUOTE, at) + 1) and text[at : at + 1] == QUOTE:
                at += 1
            if not at or at - start > csv.field_size_limit():
                return column, text[start : start + 2 * SHOWN].split("\n")[0], False
            if text[at : at + 1] not in (separator, "\r", "\n", ""):
                return column, text[start : at + SHOWN].split("\n")[0], True
        else:
            while at < len(text) and text[at] not in (separator, "\r", "\n"):
                at += 1
        if text[at : at + 1] != separator:
            break
        at, column = at + 1, column + 1
    return column, text[:SHOWN], True
