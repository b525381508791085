"""What a source hands over: a checked log and an item table, still under external ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error

from .cells import IDS, absent, as_id, as_number, nulls, refuse
from .config import ColumnsConfig, DataConfig
from .event_columns import BEHAVIOUR, further_columns, read_further
from .tables import Places, Table
from .times import FORMATS, Unclear, microseconds

Names = Mapping[str, tuple[str, ...]]
REQUIRED = ("user", "item", "time")
TEXTS = ("review", "summary")
OF_TARGETS = ("rating", "basket")  # what events that are history alone need not have
OWN: Names = {name: (name,) for name in ColumnsConfig.model_fields}


@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as its files tell it.

    Attributes:
        events: ``user``, ``item`` (text), ``time`` (int64: microseconds since 1970 UTC, or the
            position where the source has order only), ``rating`` (float32) and ``basket`` (text)
            where the source has them, null where events of a behaviour that is no target have none,
            ``review`` and ``summary`` (text) where the source has them, what the config asks for
            beside them (see :func:`~p5rec.data.event_columns.further_columns`), and ``row``, the
            record's number in its file as a spreadsheet counts it (see
            :class:`~p5rec.data.tables.Table`).
        items: ``item`` (unique), ``title``, and attributes: text, numbers or lists of text.
        users: ``user`` (unique) and attributes, whoever has events; None where there is no table.
        files: every file that was read; the log is the first.
        ordinal: times are positions, not moments.
        incomplete: rows that were dropped because they lack a user, item, time, rating, basket or
            behaviour.
        places: what the row numbers mean; None where there is no file.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    files: tuple[Path, ...]
    ordinal: bool = False
    incomplete: int = 0
    places: Places | None = None
    users: pl.DataFrame | None = None


@dataclass(frozen=True)
class Source:
    """A kind of input.

    Attributes:
        summary: one line for ``p5rec data sources``.
        files: the files it would read, under the part they play (``events``, ``items``,
            ``users``).
        read: the log in them.
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
    """Which column of ``path`` plays which part.

    Args:
        path: the log, for messages.
        present: its columns.
        chosen: the user's mapping; a column named there must be present.
        own: the names that the source uses, best first.
        further: part → column that must be present
            (:func:`~p5rec.data.event_columns.further_columns`).
        order: what events are in order by (:class:`~p5rec.data.config.DataConfig`).

    Raises:
        UserError: columns are missing, one line each, with the nearest names.
    """
    further = further or {}
    found = {part: name for part, name in further.items() if name in present}
    faults = [
        f"{path}: expected a column {name!r} for data.{part}, got none; "
        f"{did_you_mean(name, present)}"
        for part, name in further.items()
        if part not in found
    ]
    for part, wanted in chosen:
        if part == "time" and order == "rows":
            continue
        options = (wanted,) if wanted else own.get(part, ())
        name = next((option for option in options if option in present), None)
        if name is not None:
            found[part] = name
        elif wanted or part in REQUIRED:
            word = options[0] if options else part
            hint = did_you_mean(word, present)
            todo = f"set data.columns.{part}"
            if part == "time":
                todo += ", or data.order to rows where these are in order, oldest first"
            faults.append(
                f"{path}: expected a column {word!r} for the {part}, got none; {hint} ({todo})"
            )
    if faults:
        raise UserError(*faults)
    return found


def check_events(
    table: Table, columns: Mapping[str, str], config: DataConfig
) -> tuple[pl.DataFrame, int]:
    """The canonical event frame (see :class:`RawLog`), and the number of incomplete rows dropped.

    Args:
        table: the log as read.
        columns: part → column of ``table``.
        config: says how times are written, and whether incomplete rows are dropped.

    Raises:
        UserError: no event, a user, item, time, rating, basket or behaviour missing where that is
            an error, a time, a rating or one of the further columns that cannot be read.
    """
    places, rows = table.places, table.rows
    if not len(rows):
        raise input_error(places.path, "at least one event", "an empty log", "check the file")
    further = further_columns(config)
    table.require_text(*(columns[text] for text in TEXTS if text in columns), *further.values())
    raw = table.frame.select(pl.col(column).alias(part) for part, column in columns.items())
    told = {p: raw[p] for p in (*REQUIRED, *OF_TARGETS, BEHAVIOUR) if p in columns}
    gone = {part: absent(values, part) for part, values in told.items()}
    if config.behaviour:  # who only looked need not rate, and has no order
        asked = as_id(raw[BEHAVIOUR]).is_in(config.behaviour.targets)
        gone |= {part: gone[part] & asked for part in OF_TARGETS if part in gone}
    whole = ~pl.DataFrame(gone).select(pl.any_horizontal(pl.all())).to_series()
    if config.incomplete == "drop":
        raw, rows = raw.filter(whole), rows.filter(whole)
    else:
        todo = "fill it in, or set data.incomplete to drop"
        for part, bad in gone.items():
            what = f"a {part} id" if part in IDS else f"a {part.partition('.')[0]}"
            refuse(bad, raw[part], places, rows, what, columns[part], todo)
    out = pl.DataFrame({"row": rows, **{p: as_id(raw[p]) for p in IDS if p in columns}})
    for part in out.columns[1:]:
        todo = "store ids as text or whole numbers"
        bad = out[part].is_null() & ~absent(raw[part], part)
        refuse(bad, raw[part], places, rows, f"a {part} id", columns[part], todo)
    if config.order == "rows":
        out = out.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("user").alias("time"))
    else:
        times = _times(raw["time"], columns["time"], places, config, rows)
        out = out.with_columns(times.alias("time"))
    if "rating" in columns:
        ratings, todo = as_number(raw["rating"]), "fix or remove the row"
        none = absent(raw["rating"], "rating")
        bad = ~(ratings.is_finite().fill_null(False) | none)
        refuse(bad, raw["rating"], places, rows, "a number", columns["rating"], todo)
        out = out.with_columns(ratings.set(none, None).alias("rating"))
    texts = [pl.col(t).cast(pl.String).fill_null("") for t in TEXTS if t in columns]
    beside = read_further(raw, config, places, rows)
    return out.hstack(raw.select(texts)).hstack(beside), len(table.rows) - len(raw)


def _times(
    values: pl.Series, column: str, places: Places, config: DataConfig, rows: pl.Series
) -> pl.Series:
    """Microseconds since 1970 UTC ``(E,)``, all of them read."""
    chosen = config.time_format
    if not len(values):
        return nulls(values, pl.Int64)
    try:
        times = microseconds(values, chosen)
    except Unclear as error:
        got = f"{error.got.format(*(rows[at] for at in error.rows[1:]))} in column {column!r}"
        where = places.at(rows[error.rows[0]])
        raise input_error(where, error.expected, got, error.todo) from None
    wanted = "epoch or ISO 8601 time"
    todo = "fix it, or say in data.time_format how times are written"
    if chosen is not None:
        wanted = f"a time like {chosen}" if chosen not in FORMATS else f"a number ({chosen})"
        todo = "fix it, or change data.time_format"
    refuse(times.is_null(), values, places, rows, wanted, column, todo)
    return times
