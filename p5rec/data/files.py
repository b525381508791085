"""Files as they lie on disk: found by name, told by kind, text as UTF-8 bytes."""

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
# the longer marks first: that of UTF-32 begins with one of UTF-16
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BLOCK = 1 << 24  # bytes that are looked at together


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: of the text; None is UTF-8, or what a byte order mark says.
        separator: between the columns of a CSV or TSV file; None is what its ending says.
        section: of the config where both can be set, for messages; empty where they cannot.
    """

    encoding: str | None = None
    separator: str | None = None
    section: str = ""

    def remedy(self, setting: str, value: str, otherwise: str) -> str:
        """What to do: set ``setting``, or ``otherwise`` where there is no such setting."""
        return f"set {self.section}.{setting} to {value}" if self.section else otherwise


def existing(path: str | Path | None) -> Path:
    """``path``, which must be there; it is a name, never a pattern.

    Raises:
        UserError: none was given, or nothing is there; near names in its folder are told.
    """
    if path is None:
        raise input_error("data.path", "a file or folder", "none", "set data.path (or --path)")
    found = Path(path).expanduser()
    if not found.exists():
        beside = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
        hint = did_you_mean(found.name, beside) if beside else "check the path"
        if PATTERN & set(found.name):
            hint += " (a path is a name, not a pattern; for a log in parts name their folder)"
        raise input_error(found, "a file or folder", "nothing there", hint)
    return found


def parts(path: Path) -> list[Path]:
    """The files of a table: itself, or in order of name those in a folder of parts.

    What begins with a dot or an underscore is no part: ``_SUCCESS``, ``.part-0.crc``.

    Raises:
        UserError: the folder holds none, parts of several kinds, or anything else beside them.
    """
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.iterdir() if not p.name.startswith((".", "_")))
    if not inside:
        raise input_error(path, "a folder of parts of a table", "no file in it", "check the folder")
    if strange := next((p for p in inside if p.is_dir()), None):
        raise input_error(
            path, "files alone", f"the folder {strange.name!r}", "name the folder of parts"
        )
    kinds = {kind(part): part for part in reversed(inside)}
    if len(kinds) > 1:
        names = " and ".join(repr(part.name) for part in kinds.values())
        raise input_error(
            path, "parts of one kind", names, "move the others away, or name one file"
        )
    return inside


def kind(path: Path) -> str:
    """``csv``, ``tsv``, ``parquet`` or ``jsonl``, from the name of a file or of the parts in it."""
    if path.is_dir():
        return kind(parts(path)[0])
    suffix = Path(path.stem).suffix if path.suffix in PACKED else path.suffix
    if suffix.lower() not in KINDS:
        got = path.suffix or "no suffix"
        raise input_error(path, f"one of {', '.join(KINDS)} (or .gz)", got, "convert or rename it")
    return KINDS[suffix.lower()]


@contextmanager
def telling(path: Path, what: str) -> Iterator[None]:
    """Turns what reading ``path`` raises into one line.

    Raises:
        UserError: the file is empty or cannot be read as ``what``.
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
    """The text of a file, unpacked, as UTF-8 without a byte order mark.

    Args:
        path: the file.
        what: what it should be, for messages.
        dialect: says its encoding.

    Raises:
        UserError: the file cannot be read, is empty, is text in another encoding, or no text; it
            names the row.
    """
    dialect = dialect or Dialect()
    with telling(path, what):
        data = _unpacked(path)
    marked = next((found for mark, found in MARKS if data.startswith(mark)), None)
    encoding = marked or dialect.encoding or "utf-8"
    if codecs.lookup(encoding).name == "utf-8":
        data = data.removeprefix(codecs.BOM_UTF8)
        if (at := _no_utf8(data)) is not None:
            raise _undecodable(path, data, at, "utf-8", dialect)
    else:
        try:
            data = data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise _undecodable(path, data, error.start, encoding, dialect) from None
    if (at := data.find(b"\0")) >= 0:
        todo = dialect.remedy("encoding", "utf-16-le if it is UTF-16", "save it as UTF-8")
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


def _no_utf8(data: bytes) -> int | None:
    """Where ``data`` is no UTF-8; looked through a block at a time, for it may be large."""
    if data.isascii():
        return None
    start = 0
    while start < len(data):
        end = min(start + BLOCK, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not in the midst of a character
            end += 1
        try:
            data[start:end].decode()
        except UnicodeDecodeError as error:
            return start + error.start
        start = end
    return None


def _undecodable(path: Path, data: bytes, at: int, encoding: str, dialect: Dialect) -> UserError:
    told = "utf-16-le" if b"\0" in data else "latin-1, cp1252, gbk or what it is written in"
    todo = dialect.remedy("encoding", told, "save it as UTF-8")
    got = f"the byte 0x{data[at]:02x}"
    return input_error(f"{path}, row {_row(data, at, encoding)}", f"{encoding} text", got, todo)


def _row(data: bytes, at: int, encoding: str) -> int:
    """The number of the record that holds the byte ``at``, as a spreadsheet counts."""
    text = data[:at].decode(encoding, errors="replace") + "."
    try:
        return sum(1 for _ in csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return text.count("\n") + 1
