"""The user table: ids and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from .attributes import attribute, check_ids, read_described
from .config import DataConfig
from .files import Dialect, existing
from .tables import RowLocations

OwnUsers = Callable[[Path, Dialect], pl.DataFrame]


def user_file(config: DataConfig, own: Path | None = None) -> dict[str, Path]:
    """The entry ``users`` of a source's files: the user's table, else the source's ``own``."""
    if config.users and config.users.path:
        return {"users": existing(config.users.path)}
    return {"users": own} if own and own.is_file() else {}


def user_table(
    config: DataConfig, files: Mapping[str, Path], read_own: OwnUsers | None = None
) -> pl.DataFrame | None:
    """The user's table, else the source's own in ``files``, else None.

    Raises:
        UserError: the file or a column is missing, or ids are missing or repeated.
    """
    if (own := config.users) and own.path:
        dialect = Dialect(
            own.encoding or config.encoding, own.separator or config.separator, "data.users"
        )
        chosen, keys = own.columns, {"user": own.columns.user or "user"}
        frame, table = read_described(own.path, keys, chosen.attributes, dialect, "data.users")
        return check_users(frame, table.locations, table.rows)
    if read_own and "users" in files:
        return read_own(files["users"], Dialect(config.encoding, config.separator, "data"))
    return None


def check_users(
    table: pl.DataFrame, locations: RowLocations, rows: pl.Series, *, typed: bool = True
) -> pl.DataFrame:
    """``table`` with unique text ids and typed attributes.

    Args:
        table: ``user`` and attributes, R rows.
        locations, rows: the location of each row, ``(R,)``, for messages.
        typed: whether text stays text; else it may become numbers.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = check_ids(table, "user", locations, rows)
    attributes = [c for c in table.columns if c != "user"]
    return table.with_columns(attribute(table[c], None, typed) for c in attributes)
