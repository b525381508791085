"""Tables of any kind as Polars frames, with faults told as one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, fault

KINDS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl"}
PACKED = (".gz", ".zst")


def existing(path: str | Path | None) -> Path:
    """``path``, which must be there.

    Raises:
        UserError: none was given, or nothing is there; near names in its folder are told.
    """
    if path is None:
        raise fault("data.path", "a file or folder", "none", "set data.path (or --path)")
    found = Path(path).expanduser()
    if not found.exists():
        beside = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
        hint = did_you_mean(found.name, beside) if beside else "check the path"
        raise fault(found, "a file or folder", "nothing there", hint)
    return found


def kind(path: Path) -> str:
    """``csv``, ``tsv``, ``parquet`` or ``jsonl``, from the file's name."""
    suffix = Path(path.stem).suffix if path.suffix in PACKED else path.suffix
    if path.is_dir() or suffix.lower() not in KINDS:
        got = "a folder" if path.is_dir() else f"{path.suffix or 'no suffix'}"
        raise fault(path, f"one of {', '.join(KINDS)} (or .gz)", got, "convert or rename it")
    return KINDS[suffix.lower()]


def first_row(path: Path) -> int:
    """The number of the first record as a spreadsheet counts: 2 below a header, else 1."""
    return 2 if kind(path) in ("csv", "tsv") else 1


@contextmanager
def telling(path: Path, what: str) -> Iterator[None]:
    """Turns what Polars raises about ``path`` into one line.

    Raises:
        UserError: the file is empty or cannot be read as ``what``.
    """
    try:
        yield
    except pl.exceptions.NoDataError:
        raise fault(path, f"a readable {what}", "an empty file", "check the file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        if what == "jsonl" and (broken := _broken_line(path)):
            raise broken from None
        got = next(iter(str(error).splitlines()), type(error).__name__)
        raise fault(path, f"a readable {what}", got, "mend or re-export the file") from None


def column_names(path: Path) -> list[str]:
    """Names of the columns of a table file."""
    with telling(path, kind(path)):
        return _scan(path).collect_schema().names()


def read_text(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """The named columns, as text; Parquet keeps its own types, which are no guesses."""
    with telling(path, kind(path)):
        if kind(path) == "jsonl":
            return pl.read_ndjson(path, schema=dict.fromkeys(columns, pl.String()))
        return _scan(path).select(columns).collect()


def read_typed(path: Path, columns: Sequence[str], text: Sequence[str]) -> pl.DataFrame:
    """The named columns with the types that their values show; those in ``text`` stay text."""
    types = dict.fromkeys(text, pl.String())
    with telling(path, kind(path)):
        match kind(path):
            case "parquet":
                frame = pl.scan_parquet(path)
            case "jsonl":
                frame = pl.scan_ndjson(path, schema_overrides=types, infer_schema_length=None)
            case name:
                separator = "\t" if name == "tsv" else ","
                frame = pl.scan_csv(
                    path, separator=separator, schema_overrides=types, infer_schema_length=None
                )
        return frame.select(columns).collect()


def _scan(path: Path) -> pl.LazyFrame:
    match kind(path):
        case "parquet":
            return pl.scan_parquet(path)
        case "jsonl":
            return pl.scan_ndjson(path, infer_schema_length=1000)
        case name:
            return pl.scan_csv(path, separator="\t" if name == "tsv" else ",", infer_schema=False)


def _broken_line(path: Path) -> UserError | None:
    """The first line that is no JSON object; looked for only after reading has failed."""
    with telling(path, "text file"):
        lines = pl.scan_lines(path, row_index_name="row", row_index_offset=1).collect()
    for row, line in lines.iter_rows():
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return fault(path, "a JSON object", line[:40], "one object a line", line=row)
        except json.JSONDecodeError as error:
            return fault(path, "a JSON object", error.msg, "mend that line", line=row)
    return None
