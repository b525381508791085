"""The output of a source: a checked log, an item table and a user table with external ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error

from .cells import IDS, absent, as_id, as_number, nulls, refuse
from .config import DataConfig
from .event_columns import BEHAVIOUR, further_columns, read_further
from .table_config import ColumnsConfig
from .tables import RowLocations, Table
from .times import FORMATS, AmbiguousTimes, microseconds

Names = Mapping[str, tuple[str, ...]]
REQUIRED = ("user", "item", "time")
TEXTS = ("review", "summary")
OF_TARGETS = ("rating", "basket")  # fields that auxiliary events may lack
OWN: Names = {name: (name,) for name in ColumnsConfig.model_fields}


@dataclass(frozen=True, eq=False)
class RawLog:
    """The log, item table and user table as read from files.

    Attributes:
        events: ``user``, ``item`` (text); ``time`` (int64: microseconds since 1970 UTC, or the
            position if the source has only an order); ``rating`` (float32) and ``basket`` (text) if
            the source has them, null for auxiliary events without a value; ``review`` and
            ``summary`` (text) if the source has them; the optional columns of the config (see
            :func:`~p5rec.data.event_columns.further_columns`); and ``row``, the row number of the
            record (see :class:`~p5rec.data.tables.Table`).
        items: ``item`` (unique), ``title``, and attributes: text, numbers or lists of text.
        users: ``user`` (unique) and attributes; None without a user table.
        files: all files that were read, the log first.
        ordinal: whether times are positions, not moments.
        incomplete: the number of dropped rows that lack a user, item, time, rating, basket or
            behaviour.
        locations: the locations of the row numbers; None for a log without a file.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    files: tuple[Path, ...]
    ordinal: bool = False
    incomplete: int = 0
    locations: RowLocations | None = None
    users: pl.DataFrame | None = None


@dataclass(frozen=True)
class Source:
    """A reader of one kind of input.

    Attributes:
        summary: one line for ``p5rec data sources``.
        files: the files to read, by role (``events``, ``items``, ``users``).
        read: reads the files.
    """

    summary: str
    files: Callable[[DataConfig], dict[str, Path]]
    read: Callable[[DataConfig], RawLog]


def resolve(
    path: Path,
    present: list[str],
    chosen: ColumnsConfig,
    own: Names,
    further: Mapping[str, str] | None = None,
    order: str = "time",
) -> dict[str, str]:
    """Field of an event → column of ``path``.

    Args:
        path: the log, for messages.
        present: its columns.
        chosen: the user's mapping; these columns must exist.
        own: the column names that the source uses, best first.
        further: field → column that must exist
            (:func:`~p5rec.data.event_columns.further_columns`).
        order: the order of events (:class:`~p5rec.data.config.DataConfig`).

    Raises:
        UserError: columns are missing; one line for each, with the nearest names.
    """
    further = further or {}
    columns = {field: name for field, name in further.items() if name in present}
    errors = [
        f"{path}: expected a column {name!r} for data.{field}, got none; "
        f"{did_you_mean(name, present)}"
        for field, name in further.items()
        if field not in columns
    ]
    for field, wanted in chosen:
        if field == "time" and order == "rows":
            continue
        options = (wanted,) if wanted else own.get(field, ())
        name = next((option for option in options if option in present), None)
        if name is not None:
            columns[field] = name
        elif wanted or field in REQUIRED:
            expected = options[0] if options else field
            hint = did_you_mean(expected, present)
            todo = f"set data.columns.{field}"
            if field == "time":
                todo += ", or data.order to rows if the rows are sorted, oldest first"
            errors.append(
                f"{path}: expected a column {expected!r} for the {field}, got none; {hint} ({todo})"
            )
    if errors:
        raise UserError(*errors)
    return columns


def check_events(
    table: Table, columns: Mapping[str, str], config: DataConfig
) -> tuple[pl.DataFrame, int]:
    """The canonical event frame (see :class:`RawLog`), and the number of incomplete rows dropped.

    Args:
        table: the log as read.
        columns: field → column of ``table``.
        config: the time format and the handling of incomplete rows.

    Raises:
        UserError: the log is empty; a required value is missing; or a time, a rating or an optional
            column is not readable.
    """
    locations, rows = table.locations, table.rows
    if not len(rows):
        raise input_error(locations.path, "at least one event", "an empty log", "check the file")
    further = further_columns(config)
    table.require_text(*(columns[text] for text in TEXTS if text in columns), *further.values())
    raw = table.frame.select(pl.col(column).alias(field) for field, column in columns.items())
    fields = [f for f in (*REQUIRED, *OF_TARGETS, BEHAVIOUR) if f in columns]
    empty = {field: absent(raw[field], field) for field in fields}
    if config.behaviour:  # auxiliary events need no rating and no basket
        is_target = as_id(raw[BEHAVIOUR]).is_in(config.behaviour.targets)
        empty |= {field: empty[field] & is_target for field in OF_TARGETS if field in empty}
    complete = ~pl.DataFrame(empty).select(pl.any_horizontal(pl.all())).to_series()
    if config.incomplete == "drop":
        raw, rows = raw.filter(complete), rows.filter(complete)
    else:
        todo = "fill it in, or set data.incomplete to drop"
        for field, bad in empty.items():
            what = f"a {field} id" if field in IDS else f"a {field.partition('.')[0]}"
            refuse(bad, raw[field], locations, rows, what, columns[field], todo)
    out = pl.DataFrame({"row": rows, **{f: as_id(raw[f]) for f in IDS if f in columns}})
    for field in out.columns[1:]:
        todo = "store ids as text or whole numbers"
        bad = out[field].is_null() & ~absent(raw[field], field)
        refuse(bad, raw[field], locations, rows, f"a {field} id", columns[field], todo)
    if config.order == "rows":
        out = out.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("user").alias("time"))
    else:
        times = _times(raw["time"], columns["time"], locations, config, rows)
        out = out.with_columns(times.alias("time"))
    if "rating" in columns:
        ratings, todo = as_number(raw["rating"]), "fix or remove the row"
        unrated = absent(raw["rating"], "rating")
        bad = ~(ratings.is_finite().fill_null(False) | unrated)
        refuse(bad, raw["rating"], locations, rows, "a number", columns["rating"], todo)
        out = out.with_columns(ratings.set(unrated, None).alias("rating"))
    texts = [pl.col(t).cast(pl.String).fill_null("") for t in TEXTS if t in columns]
    optional = read_further(raw, config, locations, rows)
    return out.hstack(raw.select(texts)).hstack(optional), len(table.rows) - len(raw)


def _times(
    values: pl.Series, column: str, locations: RowLocations, config: DataConfig, rows: pl.Series
) -> pl.Series:
    """Microseconds since 1970 UTC ``(E,)``, without nulls."""
    chosen = config.time_format
    if not len(values):
        return nulls(values, pl.Int64)
    try:
        times = microseconds(values, chosen)
    except AmbiguousTimes as error:
        got = f"{error.got.format(*(rows[at] for at in error.rows[1:]))} in column {column!r}"
        where = locations.at(rows[error.rows[0]])
        raise input_error(where, error.expected, got, error.todo) from None
    wanted = "epoch or ISO 8601 time"
    todo = "fix it, or set data.time_format to the format of the times"
    if chosen is not None:
        wanted = f"a time like {chosen}" if chosen not in FORMATS else f"a number ({chosen})"
        todo = "fix it, or change data.time_format"
    refuse(times.is_null(), values, locations, rows, wanted, column, todo)
    return times
