"""What a source hands over: a checked log and an item table, still under external ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, fault

from .config import ColumnsConfig, DataConfig
from .times import microseconds

Names = Mapping[str, tuple[str, ...]]
REQUIRED = ("user", "item", "time")
TEXTS = ("review", "summary")
OWN: Names = {name: (name,) for name in ColumnsConfig.model_fields}


@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as its files tell it.

    Attributes:
        events: ``user``, ``item`` (text), ``time`` (int64: microseconds since 1970 UTC, or the
            position where the source has order only), ``rating`` (float32), ``review`` and
            ``summary`` (text) where the source has them, and ``row``, the record's number in its
            file as a spreadsheet counts it.
        items: ``item`` (unique), ``title``, and attributes: text, numbers or lists of text.
        files: every file that was read; the log is the first.
        ordinal: times are positions, not moments.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    files: tuple[Path, ...]
    ordinal: bool = False


@dataclass(frozen=True)
class Source:
    """A kind of input.

    Attributes:
        summary: one line for ``p5rec data sources``.
        files: the files it would read, under the part they play (``events``, ``items``).
        read: the log in them.
    """

    summary: str
    files: Callable[[DataConfig], dict[str, Path]]
    read: Callable[[DataConfig], RawLog]


def resolve(path: Path, present: list[str], chosen: ColumnsConfig, own: Names) -> dict[str, str]:
    """Which column of ``path`` plays which part.

    Args:
        path: the log, for messages.
        present: its columns.
        chosen: the user's mapping; a column named there must be present.
        own: the names that the source uses, best first.

    Raises:
        UserError: columns are missing, one line each, with the nearest names.
    """
    found: dict[str, str] = {}
    faults: list[str] = []
    for part, wanted in chosen:
        options = (wanted,) if wanted else own.get(part, ())
        name = next((option for option in options if option in present), None)
        if name is not None:
            found[part] = name
        elif wanted or part in REQUIRED:
            word = options[0] if options else part
            faults.append(
                f"{path}: expected a column {word!r} for the {part}, got none; "
                f"{did_you_mean(word, present)} (set data.columns.{part})"
            )
    if faults:
        raise UserError(*faults)
    return found


def check_events(
    frame: pl.DataFrame,
    columns: Mapping[str, str],
    path: Path,
    *,
    first_row: int,
    time_format: str | None = None,
) -> pl.DataFrame:
    """The canonical event frame (see :class:`RawLog`).

    Args:
        frame: the file's columns as read.
        columns: part → column of ``frame``.
        path: the file, for messages.
        first_row: the number of its first record.
        time_format: see :class:`~p5rec.data.config.DataConfig`.

    Raises:
        UserError: no event, a user or item missing, a time or rating that cannot be read.
    """
    if not len(frame):
        raise fault(path, "at least one event", "an empty log", "check the file")
    raw = frame.select(pl.col(column).alias(part) for part, column in columns.items())
    out = raw.select(as_id(raw["user"]), as_id(raw["item"]))
    for part in ("user", "item"):
        _refuse(out[part].is_null(), raw[part], path, first_row, f"a {part} id", part)
    times = microseconds(raw["time"], time_format)
    wanted = f"a time like {time_format}" if time_format else "epoch or ISO 8601 time"
    _refuse(times.is_null(), raw["time"], path, first_row, wanted, columns["time"])
    out = out.with_columns(times.alias("time"))
    if "rating" in columns:
        ratings = raw["rating"].cast(pl.Float32, strict=False)
        bad = ~ratings.is_finite().fill_null(False)
        _refuse(bad, raw["rating"], path, first_row, "a number", columns["rating"])
        out = out.with_columns(ratings.alias("rating"))
    texts = [pl.col(t).cast(pl.String).fill_null("") for t in TEXTS if t in columns]
    return out.hstack(raw.select(texts)).with_row_index("row", offset=first_row)


def as_id(column: pl.Series) -> pl.Series:
    """Ids as text, null where empty; whole floats (a nullable integer column) lose their ``.0``."""
    if column.dtype.is_float() and bool((column == column.round(0)).all()):
        column = column.cast(pl.Int64)
    text = column.cast(pl.String)
    return text.set(text == "", None)


def _refuse(
    bad: pl.Series, values: pl.Series, path: Path, first_row: int, expected: str, column: str
) -> None:
    if not bad.any():
        return
    at = bad.arg_max() or 0
    value, more = values[at], int(bad.sum()) - 1
    got = "nothing" if value is None or value == "" else repr(value)
    others = f" (and {more} more rows)" if more else ""
    raise fault(
        f"{path}, row {at + first_row}",
        f"{expected} in column {column!r}",
        got + others,
        "mend or remove the row",
    )
