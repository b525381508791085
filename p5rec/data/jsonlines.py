"""JSON lines: one object per line; keys may be missing or first appear in a later line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.errors import UserError, input_error

from .delimited import BATCH, Records

TRUTH = {True: "true", False: "false"}


def read_jsonl(data: bytes, path: Path, wanted: Sequence[str] | None = None) -> Records:
    """The requested keys as columns of text; numbers keep their spelling.

    A column with at least one list becomes a column of lists. A requested key that no object has
    becomes a column of nulls.

    Args:
        data: the file's text, UTF-8.
        path: the file, for messages.
        wanted: the requested keys; None reads all.

    Raises:
        UserError: a line is not a JSON object, repeats a key, or has an object as a requested
            value; the message names the line.
    """
    names: dict[str, None] = {}
    frames: list[pl.DataFrame] = []
    rows: list[int] = []
    batch: list[dict[str, Any]] = []

    def flush() -> None:
        chosen = names if wanted is None else dict.fromkeys(wanted)
        numbers = rows[len(rows) - len(batch) :]
        columns = [_column(name, [r.get(name) for r in batch], path, numbers) for name in chosen]
        frames.append(pl.DataFrame(columns))
        batch.clear()

    for row, record in _records(data, path):
        if not record.keys() <= names.keys():
            names.update(dict.fromkeys(record))
        rows.append(row)
        batch.append(record)
        if len(batch) == BATCH:
            flush()
    flush()
    return Records(list(names), joined(frames), np.array(rows, dtype=np.uint32))


def joined(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The concatenated frames; a column that is a list in one frame becomes a list in all."""
    lists = {n for f in frames for n, dtype in f.schema.items() if isinstance(dtype, pl.List)}
    unified = [
        frame.with_columns(
            pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name)).alias(name)
            for name, dtype in frame.schema.items()
            if name in lists and dtype == pl.String
        )
        for frame in frames
    ]
    return pl.concat(unified, how="diagonal")


class _RepeatedKeyError(ValueError):
    """An object repeats a key."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return record


def _constant(word: str) -> str | None:
    return None if word == "NaN" else word


# numbers keep their spelling, so no id loses a digit
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_constant
)


def _records(data: bytes, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")
    for row, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            record = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            raise input_error(path, "a JSON object", error.msg, "fix that line", line=row) from None
        except _RepeatedKeyError as error:
            got, todo = f"{error.args[0]!r} twice", "rename or remove one of them"
            raise input_error(path, "each key once", got, todo, line=row) from None
        except RecursionError:
            got = "a nesting that is too deep"
            raise input_error(path, "a JSON object", got, "fix that line", line=row) from None
        if not isinstance(record, dict):
            raise input_error(
                path, "a JSON object", line[:40].strip(), "write one object per line", line=row
            )
        yield row, record


def _column(name: str, values: list[Any], path: Path, rows: Sequence[int]) -> pl.Series:
    if any(isinstance(value, list) for value in values):
        lists = [
            None if value is None else list(_texts(value, name, path, row))
            for value, row in zip(values, rows, strict=True)
        ]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    texts = [
        value if value is None or type(value) is str else next(_texts(value, name, path, row), None)
        for value, row in zip(values, rows, strict=True)
    ]
    try:
        return pl.Series(name, texts, dtype=pl.String)
    except UnicodeEncodeError:
        at = next(n for n, text in enumerate(texts) if text and not _encodable(text))
        raise _bad_value(path, rows[at], name, "half a character") from None


def _texts(value: Any, name: str, path: Path, row: int) -> Iterator[str]:
    """The texts in a value; nested lists are flattened."""
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name, path, row)
    elif isinstance(value, bool):
        yield TRUTH[value]
    elif isinstance(value, dict):
        raise _bad_value(path, row, name, "an object")
    elif value is not None:
        if not _encodable(value):
            raise _bad_value(path, row, name, "half a character")
        yield value


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _bad_value(path: Path, row: int, name: str, got: str) -> UserError:
    expected = f"text, a number or a list of them in {name!r}"
    return input_error(path, expected, got, "re-export the file", line=row)
