"""Input files: lookup, kind by suffix, and text as UTF-8 bytes."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from p5rec.core.errors import UserError, did_you_mean, input_error

KINDS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl"}
PACKED = (".gz", ".zst")
PATTERN = frozenset("*?[")
# longer marks first: the mark of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BLOCK = 1 << 24  # bytes that are processed at once


@dataclass(frozen=True)
class Dialect:
    """The encoding and the separator of a text file.

    Attributes:
        encoding: the text encoding; None means UTF-8 or the encoding of a byte order mark.
        separator: the column separator of a CSV or TSV file; None means the one of its suffix.
        section: the config section that sets both, for messages; empty if there is none.
    """

    encoding: str | None = None
    separator: str | None = None
    section: str = ""

    def advice(self, setting: str, value: str, otherwise: str) -> str:
        """What to do: set ``setting`` to ``value``; without such a setting, ``otherwise``."""
        return f"set {self.section}.{setting} to {value}" if self.section else otherwise


def existing(path: str | Path | None) -> Path:
    """``path``, checked for existence; it is a name, not a pattern.

    Raises:
        UserError: the path is None or does not exist; the message suggests near names.
    """
    if path is None:
        raise input_error("data.path", "a file or folder", "none", "set data.path (or --path)")
    full = Path(path).expanduser()
    if not full.exists():
        siblings = [p.name for p in full.parent.iterdir()] if full.parent.is_dir() else []
        hint = did_you_mean(full.name, siblings) if siblings else "check the path"
        if PATTERN & set(full.name):
            hint += " (a path is a name, not a pattern; for a log in shards name their folder)"
        raise input_error(full, "a file or folder", "nothing there", hint)
    return full


def shards(path: Path) -> list[Path]:
    """The files of a table: the file itself, or the shards in a folder, sorted by name.

    Names that begin with a dot or an underscore are skipped: ``_SUCCESS``, ``.part-0.crc``.

    Raises:
        UserError: the folder has no shard, shards of several kinds, or a subfolder.
    """
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.iterdir() if not p.name.startswith((".", "_")))
    if not inside:
        raise input_error(path, "a folder of table shards", "no file in it", "check the folder")
    if subfolder := next((p for p in inside if p.is_dir()), None):
        raise input_error(
            path, "only files", f"the folder {subfolder.name!r}", "name the folder of the shards"
        )
    kinds = {kind(shard): shard for shard in reversed(inside)}
    if len(kinds) > 1:
        names = " and ".join(repr(shard.name) for shard in kinds.values())
        raise input_error(
            path, "shards of one kind", names, "move the others away, or name one file"
        )
    return inside


def kind(path: Path) -> str:
    """``csv``, ``tsv``, ``parquet`` or ``jsonl``, by the suffix of a file or of its shards."""
    if path.is_dir():
        return kind(shards(path)[0])
    suffix = Path(path.stem).suffix if path.suffix in PACKED else path.suffix
    if suffix.lower() not in KINDS:
        got = path.suffix or "no suffix"
        raise input_error(path, f"one of {', '.join(KINDS)} (or .gz)", got, "convert or rename it")
    return KINDS[suffix.lower()]


@contextmanager
def read_errors(path: Path, what: str) -> Iterator[None]:
    """Turns errors of reading ``path`` into one-line user errors.

    Raises:
        UserError: the file is empty or not readable as ``what``.
    """
    try:
        yield
    except (
        pl.exceptions.PolarsError, pa.ArrowException, OSError, EOFError, zlib.error,
        UnicodeDecodeError,
    ) as error:  # fmt: skip
        got = next(iter(str(error).splitlines()), type(error).__name__)
        raise input_error(path, f"a readable {what}", got, "fix or re-export the file") from None


def load_text(path: Path, what: str, dialect: Dialect | None = None) -> bytes:
    """The decompressed text of a file as UTF-8 without a byte order mark.

    Args:
        path: the file.
        what: the expected kind of file, for messages.
        dialect: its encoding.

    Raises:
        UserError: the file is unreadable, empty, in another encoding, or not text; the message
            names the row.
    """
    dialect = dialect or Dialect()
    with read_errors(path, what):
        data = _unpacked(path)
    marked = next((encoding for mark, encoding in MARKS if data.startswith(mark)), None)
    encoding = marked or dialect.encoding or "utf-8"
    if codecs.lookup(encoding).name == "utf-8":
        data = data.removeprefix(codecs.BOM_UTF8)
        if (at := _first_invalid_byte(data)) is not None:
            raise _undecodable(path, data, at, "utf-8", dialect)
    else:
        try:
            data = data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise _undecodable(path, data, error.start, encoding, dialect) from None
    if (at := data.find(b"\0")) >= 0:
        todo = dialect.advice("encoding", "utf-16-le if it is UTF-16", "save it as UTF-8")
        where = f"{path}, row {_row(data, at, 'utf-8')}"
        raise input_error(where, "text", "a byte 0", f"{todo}, or remove the byte")
    if not data.strip(b"\r\n"):
        raise input_error(path, f"a readable {what}", "an empty file", "check the file")
    return data


def read_lines(path: Path, dialect: Dialect | None = None) -> pl.DataFrame:
    """The lines of a text file: ``row``, counted from 1, and ``line``."""
    text = load_text(path, "text file", dialect).decode().removesuffix("\n")
    lines = pl.Series("line", text.split("\n"), dtype=pl.String).str.strip_suffix("\r")
    return lines.to_frame().with_row_index("row", offset=1)


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if data.startswith(GZIP):
        return gzip.decompress(data)
    if data.startswith(ZSTD):
        with pa.input_stream(pa.py_buffer(data), compression="zstd") as stream:
            unpacked: bytes = stream.read()
            return unpacked
    return data


def _first_invalid_byte(data: bytes) -> int | None:
    """The offset of the first byte that is not UTF-8; None for valid text.

    It decodes one block at a time to limit memory.
    """
    if data.isascii():
        return None
    start = 0
    while start < len(data):
        end = min(start + BLOCK, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not inside a character
            end += 1
        try:
            data[start:end].decode()
        except UnicodeDecodeError as error:
            return start + error.start
        start = end
    return None


def _undecodable(path: Path, data: bytes, at: int, encoding: str, dialect: Dialect) -> UserError:
    guess = "utf-16-le" if b"\0" in data else "latin-1, cp1252, gbk or its actual encoding"
    todo = dialect.advice("encoding", guess, "save it as UTF-8")
    got = f"the byte 0x{data[at]:02x}"
    return input_error(f"{path}, row {_row(data, at, encoding)}", f"{encoding} text", got, todo)


def _row(data: bytes, at: int, encoding: str) -> int:
    """The row number, as in a spreadsheet, of the record with the byte ``at``."""
    text = data[:at].decode(encoding, errors="replace") + "."
    try:
        return sum(1 for _ in csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return text.count("\n") + 1
