"""Tables with one event per row: CSV, TSV, Parquet, JSON lines; one file, or a folder of shards."""

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
    """The log, and the item and user tables of the config."""
    return {"events": existing(config.path)} | item_file(config) | user_file(config)


def read(config: DataConfig) -> RawLog:
    """The log and its item table; without a table, the ids serve as titles."""
    paths = files(config)
    return log_of(config, paths, events_table(config, paths["events"], OWN), OWN)


def dialect(config: DataConfig) -> Dialect:
    """The encoding and the separator of the log."""
    return Dialect(config.encoding, config.separator, "data")


def events_table(config: DataConfig, path: Path, own: Names) -> Table:
    """The relevant columns of a log: those of the config, else those of ``own``."""
    wanted = [(chosen,) if chosen else own.get(field, ()) for field, chosen in config.columns]
    wanted.append(tuple(further_columns(config).values()))
    names = dict.fromkeys(name for names in wanted for name in names)
    return read_table(path, list(names), dialect(config))


def log_of(
    config: DataConfig,
    paths: Mapping[str, Path],
    table: Table,
    own: Names,
    read_own: OwnItems | None = None,
    read_own_users: OwnUsers | None = None,
) -> RawLog:
    """The checked log in ``table`` with its item and user tables.

    Args:
        config: the settings.
        paths: the files to read, by role.
        table: the log's columns.
        own: the column names that the source uses.
        read_own, read_own_users: readers of the source's own item and user tables, if any.

    Raises:
        UserError: see :func:`~p5rec.data.rawlog.check_events`, or a table is broken.
    """
    further = further_columns(config)
    columns = resolve(table.locations.path, table.names, config.columns, own, further, config.order)
    events, incomplete = check_events(table, columns, config)
    items = item_table(config, events, paths, read_own)
    users = user_table(config, paths, read_own_users)
    files = tuple(paths.values())
    ordinal = config.order == "rows"
    return RawLog(events, items, files, ordinal, incomplete, table.locations, users)


SOURCE = Source(
    "one event per row in CSV, TSV, Parquet or JSON lines (also .gz), or a folder of shards",
    files,
    read,
)
