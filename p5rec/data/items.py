"""The item table: ids, titles, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from p5rec.core.errors import input_error

from .attributes import attribute, check_ids, read_described
from .config import DataConfig
from .files import Dialect, existing
from .table_config import ItemColumnsConfig
from .tables import RowLocations

YEAR = r"\((\d{4})\)\s*$"
OwnItems = Callable[[Path, Dialect], pl.DataFrame]


def read_item_table(path: str, chosen: ItemColumnsConfig, dialect: Dialect) -> pl.DataFrame:
    """The item table in any table file (see :class:`~p5rec.data.table_config.ItemTableConfig`).

    Attributes of text files are text. A column becomes numeric only if all its values are numbers
    in canonical spelling, so ``01003`` or an id of 22 digits stays text.

    Raises:
        UserError: the file or a column is missing, or ids are missing or repeated.
    """
    keys = {"item": chosen.item or "item", "title": chosen.title or "title"}
    frame, table = read_described(path, keys, chosen.attributes, dialect, "data.items")
    return check_items(frame, table.locations, table.rows)


def check_items(table: pl.DataFrame, locations: RowLocations, rows: pl.Series) -> pl.DataFrame:
    """``table`` with unique text ids, text titles, and typed attributes.

    Args:
        table: ``item``, ``title`` and attributes, N rows.
        locations, rows: the location of each row, ``(N,)``, for messages.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = check_ids(table.with_columns(pl.col("title").cast(pl.String)), "item", locations, rows)
    attributes = [c for c in table.columns if c not in ("item", "title")]
    return table.with_columns(attribute(table[c], None) for c in attributes)


def item_file(config: DataConfig, own: Path | None = None) -> dict[str, Path]:
    """The entry ``items`` of a source's files: the user's table, else the source's ``own``."""
    if config.items and config.items.path:
        return {"items": existing(config.items.path)}
    return {"items": own} if own and own.is_file() else {}


def item_table(
    config: DataConfig,
    events: pl.DataFrame,
    files: Mapping[str, Path],
    read_own: OwnItems | None = None,
) -> pl.DataFrame:
    """The user's table, else the source's own in ``files``, else the ids of the log as titles."""
    if (own := config.items) and own.path:
        dialect = Dialect(
            own.encoding or config.encoding, own.separator or config.separator, "data.items"
        )
        return read_item_table(own.path, own.columns, dialect)
    if read_own and "items" in files:
        return read_own(files["items"], Dialect(config.encoding, config.separator, "data"))
    return items_of_log(events)


def items_of_log(events: pl.DataFrame) -> pl.DataFrame:
    """An item table from a log: the ids serve as titles."""
    ids = events.select(pl.col("item").unique().sort())
    return ids.with_columns(title=pl.col("item"))


def check_known(
    events: pl.DataFrame, items: pl.DataFrame, locations: RowLocations | None, missing: str
) -> tuple[pl.DataFrame, int]:
    """The events whose item is in the table, and the number of dropped events.

    Args:
        events: the log (see :class:`~p5rec.data.rawlog.RawLog`).
        items: the item table.
        locations: the locations of the log's row numbers; None for a log without a file.
        missing: ``error`` or ``drop``.

    Raises:
        UserError: the table lacks an item of the log and ``missing`` is ``error``.
    """
    unknown = ~events["item"].is_in(items["item"].implode())
    n_events = int(unknown.sum())
    if n_events and missing == "error":
        without = events.filter(unknown)
        n = without["item"].n_unique()
        raise input_error(
            locations.at(without["row"][0]) if locations else f"row {without['row'][0]}",
            "every item of the log in the item table",
            f"item {without['item'][0]!r} without a row there ({n} unknown items, "
            f"{n_events} events)",
            "add them to the table, or set data.items.missing to drop",
        )
    return (events.filter(~unknown) if n_events else events), n_events
