"""The one way in which tables are read, of any kind: whole, counted, and with every row's number.

Text files (CSV, TSV, JSON lines, packed or not) give text: no id loses a zero or a digit. Parquet
keeps its own types, which are no guesses. A folder is a table in parts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from p5rec.core.errors import did_you_mean, input_error

from .delimited import Records, check_names, read_delimited
from .files import Dialect, existing, kind, load_text, parts, telling
from .jsonlines import joined, read_jsonl

SEPARATORS = {"csv": ",", "tsv": "\t"}
SHOWN = 5  # rows of a message
EXACT = 2**53  # floats count whole numbers up to here


@dataclass(frozen=True)
class Places:
    """Where rows stand: one number for each row of a table, and the file and row it means.

    Attributes:
        path: the table: a file, or a folder of parts.
        files: its files, in order.
        offsets: of each file, the number of the last row before it.
    """

    path: Path
    files: tuple[Path, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Places:
        """Of a table that is one file."""
        return cls(path, (path,), (0,))

    def at(self, row: int) -> str:
        """``FILE, row R``."""
        part = bisect_left(self.offsets, row) - 1
        return f"{self.files[part]}, row {row - self.offsets[part]}"

    def all(self, rows: Sequence[int]) -> str:
        """The rows in words; those of a folder each with its file."""
        if len(self.files) == 1:
            return f"rows {', '.join(map(str, rows[:SHOWN]))}"
        return " and ".join(map(self.at, rows[:SHOWN]))


@dataclass(frozen=True, eq=False)
class Table:
    """A table as its files tell it.

    Attributes:
        names: of all its columns.
        frame: the columns that were wanted and are there, E rows.
        rows: ``(E,)`` uint32 row numbers: those of a spreadsheet, where the header is row 1 and
            blank lines count; in a folder the rows of a part count on from those of the one before.
        places: what the numbers mean.
    """

    names: list[str]
    frame: pl.DataFrame
    rows: pl.Series
    places: Places

    @classmethod
    def of(cls, path: Path, records: Records) -> Table:
        """Of a single file."""
        return cls(records.names, records.frame, _numbers(records.rows), Places.of(path))

    def require(self, *names: str) -> None:
        """Refuses a table without these columns.

        Raises:
            UserError: it names the first that is missing.
        """
        if missing := next((name for name in names if name not in self.names), None):
            hint = did_you_mean(missing, self.names)
            raise input_error(self.places.path, f"a column {missing!r}", "none", hint)

    def require_text(self, *names: str, lists: bool = False) -> None:
        """Refuses values of these columns that are no text, number, truth or time.

        Args:
            names: columns; those that are not there do not matter.
            lists: lists of such values are welcome too.

        Raises:
            UserError: it names the first row with another value.
        """
        for name in names:
            dtype: Any = self.frame.schema.get(name)
            while lists and isinstance(dtype, pl.List | pl.Array):
                dtype = dtype.inner
            if dtype is None or not (dtype.is_nested() or dtype in (pl.Binary, pl.Object)):
                continue
            there = self.frame[name].is_not_null()
            if there.any():
                expected = "text, a number or a list of them" if lists else "text or a number"
                where = self.places.at(self.rows[int(there.arg_max() or 0)])
                got = f"values of type {str(self.frame.schema[name]).split('(')[0]}"
                todo = "export the column as text, or name another"
                raise input_error(where, f"{expected} in column {name!r}", got, todo)


def read_table(
    path: Path, columns: Sequence[str] | None = None, dialect: Dialect | None = None
) -> Table:
    """A table: CSV, TSV, Parquet or JSON lines, packed or not, or a folder of such parts.

    Args:
        path: the file or folder; a name, never a pattern.
        columns: which are wanted, where they are there; None takes all.
        dialect: how text files are written.

    Raises:
        UserError: it is missing or cannot be read, its parts do not fit together, or the numbers
            of records that two ways of counting find differ; it names the file, and the row.
    """
    files = parts(existing(path))
    found = [_read(file, columns, dialect or Dialect()) for file in files]
    if len(found) == 1 and not path.is_dir():
        only = found[0]
        frame = only.frame.select(name for name in only.frame.columns if name in only.names)
        return Table.of(path, only._replace(frame=frame))
    _check_alike(files, found)
    ends = np.cumsum([0, *(int(part.rows.max(initial=1)) for part in found)])
    rows = np.concatenate([part.rows + end for part, end in zip(found, ends, strict=False)])
    names = list(dict.fromkeys(name for part in found for name in part.names))
    places = Places(path, tuple(files), tuple(ends[:-1].tolist()))
    frame = _joined(files, found)
    frame = frame.select(name for name in frame.columns if name in names)
    return Table(names, frame, _numbers(rows), places)


def column_names(path: Path, dialect: Dialect | None = None) -> list[str]:
    """Names of the columns of a table."""
    return read_table(path, [], dialect).names


def _numbers(rows: np.ndarray) -> pl.Series:
    return pl.Series("row", rows.astype(np.uint32), dtype=pl.UInt32)


def _read(path: Path, columns: Sequence[str] | None, dialect: Dialect) -> Records:
    what = kind(path)
    if what == "parquet":
        return _read_parquet(path, columns)
    data = load_text(path, what, dialect)
    if what == "jsonl":
        return read_jsonl(data, path, columns)
    separator = dialect.separator or SEPARATORS[what]
    return read_delimited(data, path, separator, columns, dialect=dialect)


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Records:
    if not path.stat().st_size:
        raise input_error(path, "a readable parquet", "an empty file", "check the file")
    with telling(path, "parquet"), open(path, "rb") as handle:
        file = pq.ParquetFile(handle)
        names, count = check_names(path, file.schema_arrow.names), file.metadata.num_rows
    wanted = [name for name in names if columns is None or name in columns]
    with telling(path, "parquet"):
        frame = pl.read_parquet(path, columns=wanted, glob=False, hive_partitioning=False)
    if wanted and len(frame) != count:
        got = f"{len(frame):,} from the parser"
        raise input_error(path, f"{count:,} records, as its footer says", got, "report this file")
    return Records(names, frame, np.arange(1, count + 1, dtype=np.uint32))


def _check_alike(files: Sequence[Path], found: Sequence[Records]) -> None:
    """Refuses parts of different columns; JSON lines may leave keys out."""
    if kind(files[0]) == "jsonl":
        return
    first = found[0].names
    for file, part in zip(files, found, strict=True):
        if set(part.names) != set(first):
            odd = sorted(set(part.names) ^ set(first))
            got = f"a difference in {', '.join(map(repr, odd[:SHOWN]))}"
            raise input_error(
                file, f"the columns of {files[0].name}", got, "export all parts alike"
            )


def _joined(files: Sequence[Path], found: Sequence[Records]) -> pl.DataFrame:
    frames = [part.frame for part in found]
    if kind(files[0]) != "parquet":
        return joined(frames)
    whole = frames[0]
    for file, frame in zip(files[1:], frames[1:], strict=True):
        for name, before in whole.schema.items():
            if not _fit(whole[name], frame[name]):
                expected = f"column {name!r} of type {before}, as in the parts before"
                got = str(frame.schema[name])
                raise input_error(file, expected, got, "export all parts with the same types")
        whole = pl.concat([whole, frame.select(whole.columns)], how="vertical_relaxed")
    return whole


def _fit(above: pl.Series, below: pl.Series) -> bool:
    """Whether two columns are one without a loss: of a type, empty, or numbers that stay exact."""
    types = above.dtype, below.dtype
    if pl.Null in types or types[0] == types[1]:
        return True
    if not all(dtype.is_integer() or dtype.is_float() for dtype in types):
        return False
    numbers = [c.fill_nan(None) if c.dtype.is_float() else c for c in (above, below)]
    exact = [column.is_between(-EXACT, EXACT).all() for column in numbers]
    return not any(dtype.is_float() for dtype in types) or all(exact)
