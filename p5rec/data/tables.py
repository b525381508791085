"""Reader of tables of any kind, with checked record counts and row numbers.

Text files (CSV, TSV, JSON lines, compressed or not) give text columns, so ids keep leading zeros
and all digits. Parquet keeps its types. A folder is a table in shards.
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
from .files import Dialect, existing, kind, load_text, read_errors, shards
from .jsonlines import joined, read_jsonl

SEPARATORS = {"csv": ",", "tsv": "\t"}
MAX_ROWS = 5  # rows in a message
EXACT = 2**53  # floats represent all whole numbers up to here


@dataclass(frozen=True)
class RowLocations:
    """Maps the row numbers of a table to files and rows.

    Attributes:
        path: the table: a file, or a folder of shards.
        files: its files, in order.
        offsets: for each file, the number of the last row before it.
    """

    path: Path
    files: tuple[Path, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> RowLocations:
        """For a table of one file."""
        return cls(path, (path,), (0,))

    def at(self, row: int) -> str:
        """``FILE, row R``."""
        shard = bisect_left(self.offsets, row) - 1
        return f"{self.files[shard]}, row {row - self.offsets[shard]}"

    def all(self, rows: Sequence[int]) -> str:
        """The rows as text, with the file of each row if the table has several."""
        if len(self.files) == 1:
            return f"rows {', '.join(map(str, rows[:MAX_ROWS]))}"
        return " and ".join(map(self.at, rows[:MAX_ROWS]))


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read from its files.

    Attributes:
        names: the names of all its columns.
        frame: the requested columns that exist, E rows.
        rows: ``(E,)`` uint32 row numbers as in a spreadsheet: the header is row 1, and blank lines
            count. In a folder, the numbers of a shard continue those of the previous one.
        locations: the locations of the row numbers.
    """

    names: list[str]
    frame: pl.DataFrame
    rows: pl.Series
    locations: RowLocations

    @classmethod
    def of(cls, path: Path, records: Records) -> Table:
        """For a single file."""
        return cls(records.names, records.frame, _numbers(records.rows), RowLocations.of(path))

    def require(self, *names: str) -> None:
        """Checks that the table has these columns.

        Raises:
            UserError: a column is missing; the message names the first.
        """
        if missing := next((name for name in names if name not in self.names), None):
            hint = did_you_mean(missing, self.names)
            raise input_error(self.locations.path, f"a column {missing!r}", "none", hint)

    def require_text(self, *names: str, lists: bool = False) -> None:
        """Checks that the values of these columns are text, numbers, booleans or times.

        Args:
            names: columns; missing ones are skipped.
            lists: whether lists of these values are allowed.

        Raises:
            UserError: a column has another type; the message names the first row with a value.
        """
        for name in names:
            dtype: Any = self.frame.schema.get(name)
            while lists and isinstance(dtype, pl.List | pl.Array):
                dtype = dtype.inner
            if dtype is None or not (dtype.is_nested() or dtype in (pl.Binary, pl.Object)):
                continue
            filled = self.frame[name].is_not_null()
            if filled.any():
                expected = "text, a number or a list of them" if lists else "text or a number"
                where = self.locations.at(self.rows[int(filled.arg_max() or 0)])
                got = f"values of type {str(self.frame.schema[name]).split('(')[0]}"
                todo = "export the column as text, or name another"
                raise input_error(where, f"{expected} in column {name!r}", got, todo)


def read_table(
    path: Path, columns: Sequence[str] | None = None, dialect: Dialect | None = None
) -> Table:
    """A table: CSV, TSV, Parquet or JSON lines, compressed or not, or a folder of shards.

    Args:
        path: the file or folder; a name, not a pattern.
        columns: the requested columns; missing ones are skipped. None reads all.
        dialect: the format of text files.

    Raises:
        UserError: the table is missing or unreadable, its shards are inconsistent, or two counts
            of the records differ; the message names the file and the row.
    """
    files = shards(existing(path))
    records = [_read(file, columns, dialect or Dialect()) for file in files]
    if len(records) == 1 and not path.is_dir():
        single = records[0]
        frame = single.frame.select(name for name in single.frame.columns if name in single.names)
        return Table.of(path, single._replace(frame=frame))
    _check_columns(files, records)
    ends = np.cumsum([0, *(int(shard.rows.max(initial=1)) for shard in records)])
    rows = np.concatenate([shard.rows + end for shard, end in zip(records, ends, strict=False)])
    names = list(dict.fromkeys(name for shard in records for name in shard.names))
    locations = RowLocations(path, tuple(files), tuple(ends[:-1].tolist()))
    frame = _joined(files, records)
    frame = frame.select(name for name in frame.columns if name in names)
    return Table(names, frame, _numbers(rows), locations)


def column_names(path: Path, dialect: Dialect | None = None) -> list[str]:
    """The column names of a table."""
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
    with read_errors(path, "parquet"), open(path, "rb") as handle:
        file = pq.ParquetFile(handle)
        names, count = check_names(path, file.schema_arrow.names), file.metadata.num_rows
    wanted = [name for name in names if columns is None or name in columns]
    with read_errors(path, "parquet"):
        frame = pl.read_parquet(path, columns=wanted, glob=False, hive_partitioning=False)
    if wanted and len(frame) != count:
        got = f"{len(frame):,} from the parser"
        raise input_error(path, f"{count:,} records, as in its footer", got, "report this file")
    return Records(names, frame, np.arange(1, count + 1, dtype=np.uint32))


def _check_columns(files: Sequence[Path], records: Sequence[Records]) -> None:
    """Refuses shards with different columns; shards of JSON lines may differ."""
    if kind(files[0]) == "jsonl":
        return
    first = records[0].names
    for file, shard in zip(files, records, strict=True):
        if set(shard.names) != set(first):
            odd = sorted(set(shard.names) ^ set(first))
            got = f"a difference in {', '.join(map(repr, odd[:MAX_ROWS]))}"
            raise input_error(
                file, f"the columns of {files[0].name}", got,
                "export all shards with the same columns",
            )  # fmt: skip


def _joined(files: Sequence[Path], records: Sequence[Records]) -> pl.DataFrame:
    frames = [shard.frame for shard in records]
    if kind(files[0]) != "parquet":
        return joined(frames)
    table = frames[0]
    for file, frame in zip(files[1:], frames[1:], strict=True):
        for name, dtype in table.schema.items():
            if not _compatible(table[name], frame[name]):
                expected = f"column {name!r} of type {dtype}, as in earlier shards"
                got = str(frame.schema[name])
                raise input_error(file, expected, got, "export all shards with the same types")
        table = pl.concat([table, frame.select(table.columns)], how="vertical_relaxed")
    return table


def _compatible(first: pl.Series, second: pl.Series) -> bool:
    """Whether two columns can be concatenated without loss: equal types, an empty column, or
    numbers that stay exact."""
    types = first.dtype, second.dtype
    if pl.Null in types or types[0] == types[1]:
        return True
    if not all(dtype.is_integer() or dtype.is_float() for dtype in types):
        return False
    numbers = [c.fill_nan(None) if c.dtype.is_float() else c for c in (first, second)]
    exact = [column.is_between(-EXACT, EXACT).all() for column in numbers]
    return not any(dtype.is_float() for dtype in types) or all(exact)
