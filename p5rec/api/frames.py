"""Frames at the border: polars, pandas or anything of Arrow in, the same kind out.

pandas is no dependency: it is met only where a caller brings it.
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
    """The library that a frame comes from; polars for all that is not pandas."""
    return "pandas" if type(frame).__module__.partition(".")[0] == "pandas" else "polars"


def to_polars(frame: Frame, name: str, columns: Collection[str] | None = None) -> pl.DataFrame:
    """A frame as polars.

    Args:
        frame: of polars or pandas, an Arrow table, or a mapping of columns.
        name: what the caller calls it, for messages.
        columns: which are wanted, where they are there; None: all.

    Raises:
        UserError: it is no frame, or a column mixes types.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    wanted = [c for c in column_names(frame, name) if columns is None or c in columns]
    try:
        if kind_of(frame) == "pandas":
            found = pl.from_pandas(frame[wanted])
        elif isinstance(frame, pl.DataFrame):
            found = frame.select(wanted)
        else:
            found = pl.DataFrame(frame).select(wanted)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        got = str(error).splitlines()[0]
        raise input_error(
            name, "columns of one type each", got, "cast the mixed one to text"
        ) from None
    assert isinstance(found, pl.DataFrame)
    return found


def column_names(frame: Frame, name: str) -> list[str]:
    """Names of a frame's columns.

    Raises:
        UserError: it is no frame, or two columns have one name.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect_schema().names()
    names = frame if isinstance(frame, Mapping) else getattr(frame, "columns", None)
    if isinstance(frame, pa.Table):
        names = frame.column_names
    if names is None or isinstance(frame, str):
        raise input_error(
            name, "a frame (polars, pandas or Arrow)", f"a {type(frame).__name__}", "make it one"
        )
    found = [str(column) for column in names]
    if twice := next((c for n, c in enumerate(found) if c in found[:n]), None):
        raise input_error(name, "each column once", f"{twice!r} twice", "rename one")
    return found


def to_kind(frame: pl.DataFrame, kind: Kind) -> Frame:
    """A polars frame as the caller wants it.

    Raises:
        UserError: ``kind`` is no such library.
    """
    if kind not in ("polars", "pandas"):
        raise input_error("frame", "polars or pandas", repr(kind), "name one of them")
    return frame.to_pandas() if kind == "pandas" else frame


def keep(frame: pl.DataFrame, store: Store) -> Path:
    """The Parquet file of a frame in ``store``, found by its content.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    with writing(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=store.root, prefix=".frame-") as work:
            file = Path(work) / FILE
            frame.write_parquet(file, compression="lz4")  # quick: it is read once

            def put(folder: Path) -> Lineage:
                os.replace(file, folder / FILE)
                return Lineage.none()

            content = {"sha256": file_sha256(file)}
            return store.quiet().stage("frame", put, config=content, code=()).path / FILE


@contextmanager
def in_words_of(names: Mapping[str, str]) -> Iterator[None]:
    """Errors inside speak of frames and keywords, not of the files and config keys behind them.

    Args:
        names: path of a file → what the caller calls it.
    """
    try:
        yield
    except UserError as error:
        if not names:
            raise
        raise UserError(*(_told(line, names) for line in error.lines)) from None


def _told(line: str, names: Mapping[str, str]) -> str:
    for path, name in names.items():
        line = line.replace(path, name)
    return SETTING.sub(r"\1", line)
