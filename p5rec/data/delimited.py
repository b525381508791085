"""Reader of CSV and other delimited files: every record of the file, or an error with its row.

A cell that begins with a quotation mark ends at the next single mark; separators, line ends and
doubled marks in between belong to the cell (RFC 4180). A mark anywhere else is an ordinary
character. Polars reads files without marks, Python's strict ``csv`` reads the others. A second,
independent count of the records checks both.
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

from .files import BLOCK, Dialect, read_errors

QUOTE, MAX_CHARS = '"', 40
SEPARATORS = ";\t|,"
BATCH = 1 << 16  # records
NEWLINE = 10


class Records(NamedTuple):
    """The records of one file.

    Attributes:
        names: the names of all its columns.
        frame: the requested columns that exist.
        rows: ``(E,)`` uint32, the row number of each record as in a spreadsheet.
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
    """The requested columns as text; null for empty cells.

    Args:
        data: the file's text, UTF-8.
        path: the file, for messages.
        separator: one ASCII character.
        wanted: the requested column names; None reads all.
        names: the column names of a file without a header.
        quotes: whether a quotation mark may open a cell.
        dialect: names the config section of the separator, for messages.

    Raises:
        UserError: a column name is repeated, a row has too many or too few cells, or quotation
            marks are ambiguous; the message names the row.
    """
    file = _DelimitedFile(path, separator, list(names), dialect or Dialect())
    if quotes and QUOTE.encode() in data:
        return _quoted(data, file, wanted)
    return _plain(data, file, wanted)


class _DelimitedFile(NamedTuple):
    """The file and its format, for both readers and their messages."""

    path: Path
    separator: str
    names: list[str]
    dialect: Dialect

    def columns(self, header: list[str]) -> list[str]:
        """The checked column names of a file with the first record ``header``."""
        if self.names:
            return self.names
        single = header[0] if len(header) == 1 else ""
        if other := next((s for s in SEPARATORS if s != self.separator and s in single), None):
            todo = self.dialect.advice("separator", repr(other), f"use {self.separator!r}")
            got = f"one column {single[:MAX_CHARS]!r}"
            raise input_error(self.path, f"columns separated by {self.separator!r}", got, todo)
        return check_names(self.path, header)

    def ragged(self, row: int, got: int, expected: int) -> UserError:
        """The error for a row with ``got`` cells."""
        todo = "quote cells that contain separators, or fix the row"
        return input_error(f"{self.path}, row {row}", _cells(expected), _cells(got), todo)


def check_names(path: Path, names: list[str]) -> list[str]:
    """``names``, checked for repeats; several columns may have no name.

    Raises:
        UserError: a name is repeated.
    """
    for at, name in enumerate(names):
        if name and name in names[:at]:
            got = f"{name!r} in columns {names.index(name) + 1} and {at + 1}"
            raise input_error(path, "each column name once", got, "rename or remove one of them")
    return names


def _cells(number: int) -> str:
    return f"{number} cell" + "s" * (number != 1)


def _chosen(names: list[str], wanted: Sequence[str] | None) -> dict[str, int]:
    """Name → index of the requested columns."""
    index = {name: at for at, name in enumerate(names) if name}
    return index if wanted is None else {n: index[n] for n in dict.fromkeys(wanted) if n in index}


def _plain(data: bytes, file: _DelimitedFile, wanted: Sequence[str] | None) -> Records:
    data = _newlines(data)
    cells = _cells_of_lines(data, file.separator)
    full = np.flatnonzero(cells)
    first = data.lstrip(b"\n").split(b"\n", 1)[0].decode()
    names = file.columns(first.split(file.separator))
    bad = full[cells[full] != len(names)]
    if len(bad):
        raise file.ragged(int(bad[0]) + 1, int(cells[bad[0]]), len(names))
    if len(full) < len(cells):
        data = re.sub(rb"\n{2,}", b"\n", data).lstrip(b"\n")
    rows = (full if file.names else full[1:]) + 1
    chosen = _chosen(names, wanted)
    frame = pl.DataFrame(schema=dict.fromkeys(chosen, pl.String()))
    if len(rows) and chosen:
        in_order = sorted(chosen, key=chosen.__getitem__)
        with read_errors(file.path, "table"):
            frame = pl.read_csv(
                data,
                has_header=False,
                skip_rows=0 if file.names else 1,
                columns=sorted(chosen.values()),
                separator=file.separator,
                quote_char=None,
                infer_schema=False,
            )
        frame = frame.rename(dict(zip(frame.columns, in_order, strict=True))).select(list(chosen))
        if len(frame) != len(rows):
            got = f"{len(frame):,} from the parser"
            raise input_error(
                file.path, f"{len(rows):,} records, one a line", got, "report this file"
            )
    return Records(names, frame, rows.astype(np.uint32))


def _newlines(data: bytes) -> bytes:
    """``data`` with every line end as ``\\n``."""
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _cells_of_lines(data: bytes, separator: str) -> np.ndarray:
    """``(lines,)`` the number of cells in each line, ignoring quotation; 0 for empty lines."""
    array = np.frombuffer(data, dtype=np.uint8)
    ends, before, seen = [np.array([-1])], [np.array([0])], 0
    for start in range(0, len(array), BLOCK):
        block = array[start : start + BLOCK]
        cuts = np.flatnonzero(block == ord(separator))
        newlines = np.flatnonzero(block == NEWLINE)
        ends.append(newlines + start)
        before.append(np.searchsorted(cuts, newlines) + seen)
        seen += len(cuts)
    if len(array) and array[-1] != NEWLINE:
        ends.append(np.array([len(array)]))
        before.append(np.array([seen]))
    cells = np.diff(np.concatenate(before)) + 1
    cells[np.diff(np.concatenate(ends)) == 1] = 0
    return cells


def _quoted(data: bytes, file: _DelimitedFile, wanted: Sequence[str] | None) -> Records:
    names: list[str] = []
    chosen: dict[str, int] = {}
    frames, rows, batch = [], [], []
    before, over = 0, (0, 0)  # the first record of several lines, and its last line
    for row, line, record in _records(data, file):
        if line > before + 1 and not over[0]:
            over = row, line
        before = line
        if not record:
            continue
        if not names:
            names = file.columns(record)
            chosen = _chosen(names, wanted)
            if not file.names:
                continue
        if len(record) != len(names):
            raise file.ragged(row, len(record), len(names))
        rows.append(row)
        batch.append(record)
        if len(batch) == BATCH:
            frames.append(_as_frame(batch, chosen))
            batch.clear()
    frames.append(_as_frame(batch, chosen))
    if over[0]:
        _check_lines(data, file, len(names), *over)
    return Records(names, pl.concat(frames), np.array(rows, dtype=np.uint32))


def _as_frame(batch: list[list[str]], chosen: dict[str, int]) -> pl.DataFrame:
    columns = {name: [record[at] for record in batch] for name, at in chosen.items()}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(chosen, pl.String()))
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _lines(data: bytes) -> Iterable[str]:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")


def _reader(data: bytes, separator: str) -> Any:  # the type of csv.reader is not public
    return csv.reader(_lines(data), delimiter=separator, strict=True)


def _records(data: bytes, file: _DelimitedFile) -> Iterator[tuple[int, int, list[str]]]:
    """Each record with its row number and the number of its last line."""
    reader, row = _reader(data, file.separator), 0
    try:
        for row, record in enumerate(reader, 1):
            yield row, reader.line_num, record
    except csv.Error:
        raise _misquoted(data, file, row + 1) from None


def _check_lines(data: bytes, file: _DelimitedFile, columns: int, row: int, line: int) -> None:
    """Refuses cells of several lines in a file in which each line is a complete row.

    There, one cell begins with a mark and a later one ends with a mark. They may be inch signs or
    parts of names, and one cell would swallow the rows in between.

    Args:
        row, line: the first record of several lines, and its last line.
    """
    cells = _cells_of_lines(_newlines(data), file.separator)
    if columns > 1 and bool(np.isin(cells, (0, columns)).all()):
        raise input_error(
            f"{file.path}, row {row}",
            "quotation marks that close in their row",
            f"a cell that continues to line {line}, though each line is a complete row",
            'double the marks and quote the cell ("15"" screen"), or remove them',
        )


def _misquoted(data: bytes, file: _DelimitedFile, row: int) -> UserError:
    """The error for a record with wrong quotation marks; it names the column."""
    reader = _reader(data, file.separator)
    header = file.names
    for number, record in enumerate(reader, 1):
        header = header or record
        if number == row - 1:
            break
    start = reader.line_num if row > 1 else 0
    text = "".join(islice(_lines(data), start, None))
    column, cell, closed = _first_bad_cell(text, file.separator)
    name = repr(header[column]) if column < len(header) else f"{column + 1}"
    got = f"{cell[:MAX_CHARS]!r}" if closed else f"{cell[:MAX_CHARS]!r}, which is never closed"
    return input_error(
        f"{file.path}, row {row}",
        f"paired quotation marks in column {name}",
        got,
        'double marks inside a quoted cell ("15"" screen"), or remove them',
    )


def _first_bad_cell(text: str, separator: str) -> tuple[int, str, bool]:
    """The first cell with wrong quotation marks in the first record of ``text``.

    Returns:
        Its column from 0, its text from the opening mark on, and whether it is closed.
    """
    at = column = 0
    while at < len(text):
        start = at
        if text[at] == QUOTE:
            at += 1
            while (at := text.find(QUOTE, at) + 1) and text[at : at + 1] == QUOTE:
                at += 1
            if not at or at - start > csv.field_size_limit():
                return column, text[start : start + 2 * MAX_CHARS].split("\n")[0], False
            if text[at : at + 1] not in (separator, "\r", "\n", ""):
                return column, text[start : at + MAX_CHARS].split("\n")[0], True
        else:
            while at < len(text) and text[at] not in (separator, "\r", "\n"):
                at += 1
        if text[at : at + 1] != separator:
            break
        at, column = at + 1, column + 1
    return column, text[:MAX_CHARS], True
