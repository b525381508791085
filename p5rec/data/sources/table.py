"""Any table with a row an event: CSV, TSV, Parquet, JSON lines; one file, or a folder of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from p5rec.data.config import DataConfig
from p5rec.data.event_columns import further_columns
from p5rec.data.files import Dialect, existing
from p5rec.data.items import OwnItems, item_file, item_table
from p5rec.data.rawlog import OWN, Names, RawLog, Source, check_events, resolve
from p5rec.data.tables import Table, read_table
from p5rec.data.users import OwnUsers, user_file, user_table


def files(config: DataConfig) -> dict[str, Path]:
    """The log and the tables of items and users that the config names."""
    return {"events": existing(config.path)} | item_file(config) | user_file(config)


def read(config: DataConfig) -> RawLog:
    """The log and its item table; without one, titles are the ids."""
    found = files(config)
    return log_of(config, found, events_table(config, found["events"], OWN), OWN)


def dialect(config: DataConfig) -> Dialect:
    """How the log is written."""
    return Dialect(config.encoding, config.separator, "data")


def events_table(config: DataConfig, path: Path, own: Names) -> Table:
    """The columns of a log that may play a part: the user's, else those that ``own`` names."""
    wanted = [(chosen,) if chosen else own.get(part, ()) for part, chosen in config.columns]
    wanted.append(tuple(further_columns(config).values()))
    names = dict.fromkeys(name for names in wanted for name in names)
    return read_table(path, list(names), dialect(config))


def log_of(
    config: DataConfig,
    found: Mapping[str, Path],
    table: Table,
    own: Names,
    read_own: OwnItems | None = None,
    read_own_users: OwnUsers | None = None,
) -> RawLog:
    """The log in ``table``, checked, with its items and users.

    Args:
        config: the user's choices.
        found: the files that are read, by the part they play.
        table: the log's columns.
        own: the names that the source uses.
        read_own, read_own_users: read the source's own tables, where it has them.

    Raises:
        UserError: see :func:`~p5rec.data.rawlog.check_events`, or a table is broken.
    """
    further = further_columns(config)
    columns = resolve(table.places.path, table.names, config.columns, own, further, config.order)
    events, incomplete = check_events(table, columns, config)
    items = item_table(config, events, found, read_own)
    users = user_table(config, found, read_own_users)
    files = tuple(found.values())
    ordinal = config.order == "rows"
    return RawLog(events, items, files, ordinal, incomplete, table.places, users)


SOURCE = Source(
    "a row an event in CSV, TSV, Parquet or JSON lines (.gz too), or a folder of such parts",
    files,
    read,
)
