"""Conversion of frames: polars, pandas or Arrow tables in, the same kind out.

pandas is no dependency: it is imported only if the caller uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from p5rec.core.artefacts import Lineage, Store, file_sha256, writing
from p5rec.core.errors import UserError, input_error

Frame = Any  # a polars or pandas frame
Kind = Literal["polars", "pandas"]
FILE = "frame.parquet"
SETTING = re.compile(r"\bdata\.(?:items\.|users\.)?(?:columns\.)?(\w+)")  # data.columns.user → user


def kind_of(frame: Frame) -> Kind:
    """The kind of a frame: pandas, or else polars."""
    return "pandas" if type(frame).__module__.partition(".")[0] == "pandas" else "polars"


def to_polars(frame: Frame, name: str, columns: Collection[str] | None = None) -> pl.DataFrame:
    """A frame as polars.

    Args:
        frame: a polars or pandas frame, an Arrow table, or a mapping of columns.
        name: the caller's name of the frame, for messages.
        columns: the columns to convert, where present; None: all.

    Raises:
        UserError: it is no frame, or a column has mixed types.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    wanted = [c for c in column_names(frame, name) if columns is None or c in columns]
    try:
        if kind_of(frame) == "pandas":
            converted = pl.from_pandas(frame[wanted])
        elif isinstance(frame, pl.DataFrame):
            converted = frame.select(wanted)
        else:
            converted = pl.DataFrame(frame).select(wanted)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        got = str(error).splitlines()[0]
        raise input_error(
            name, "columns of one type each", got, "cast the mixed one to text"
        ) from None
    assert isinstance(converted, pl.DataFrame)
    return converted


def column_names(frame: Frame, name: str) -> list[str]:
    """Names of a frame's columns.

    Raises:
        UserError: it is no frame, or two columns have the same name.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect_schema().names()
    names = frame if isinstance(frame, Mapping) else getattr(frame, "columns", None)
    if isinstance(frame, pa.Table):
        names = frame.column_names
    if names is None or isinstance(frame, str):
        raise input_error(
            name,
            "a frame (polars, pandas or Arrow)",
            f"a {type(frame).__name__}",
            "convert it to one",
        )
    converted = [str(column) for column in names]
    if twice := next((c for n, c in enumerate(converted) if c in converted[:n]), None):
        raise input_error(name, "each column once", f"{twice!r} twice", "rename one")
    return converted


def to_kind(frame: pl.DataFrame, kind: Kind) -> Frame:
    """A polars frame as a frame of the given kind.

    Raises:
        UserError: ``kind`` is neither polars nor pandas.
    """
    if kind not in ("polars", "pandas"):
        raise input_error("frame", "polars or pandas", repr(kind), "name one of them")
    return frame.to_pandas() if kind == "pandas" else frame


def cache_frame(frame: pl.DataFrame, store: Store) -> Path:
    """The Parquet file of a frame in ``store``, addressed by its content.

    Raises:
        UserError: the disk is full, or the store is not writable.
    """
    with writing(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=store.root, prefix=".frame-") as work:
            file = Path(work) / FILE
            frame.write_parquet(file, compression="lz4")  # fast to write, as it is read once

            def put(folder: Path) -> Lineage:
                os.replace(file, folder / FILE)
                return Lineage.none()

            content = {"sha256": file_sha256(file)}
            return store.quiet().stage("frame", put, config=content, code=()).path / FILE


@contextmanager
def caller_names(names: Mapping[str, str]) -> Iterator[None]:
    """Replaces cached files and config keys in error messages by the caller's names and keywords.

    Args:
        names: path of a file → the caller's name of the frame.
    """
    try:
        yield
    except UserError as error:
        if not names:
            raise
        raise UserError(*(_renamed(line, names) for line in error.lines)) from None


def _renamed(line: str, names: Mapping[str, str]) -> str:
    for path, name in names.items():
        line = line.replace(path, name)
    return SETTING.sub(r"\1", line)
