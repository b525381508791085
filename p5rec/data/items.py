"""The item table: ids, titles, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from p5rec.core.errors import input_error

from .attributes import attribute, check_ids, read_described
from .config import DataConfig, ItemColumnsConfig
from .files import Dialect, existing
from .tables import Places

YEAR = r"\((\d{4})\)\s*$"
OwnItems = Callable[[Path, Dialect], pl.DataFrame]


def read_item_table(path: str, chosen: ItemColumnsConfig, dialect: Dialect) -> pl.DataFrame:
    """The item table in any table file (see :class:`~p5rec.data.config.ItemTableConfig`).

    Attributes of text files are text; a column of numbers alone is one where every number is
    written as it would be written again, so that ``01003`` or an id of 22 digits stays as it is.

    Raises:
        UserError: the file or a column is missing, or ids are missing or repeated.
    """
    keys = {"item": chosen.item or "item", "title": chosen.title or "title"}
    found, table = read_described(path, keys, chosen.attributes, dialect, "data.items")
    return check_items(found, table.places, table.rows)


def check_items(table: pl.DataFrame, places: Places, rows: pl.Series) -> pl.DataFrame:
    """``table`` with text ids, each once, text titles, and attributes of known types.

    Args:
        table: ``item``, ``title`` and attributes, N rows.
        places, rows: where each stands, ``(N,)``, for messages.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = check_ids(table.with_columns(pl.col("title").cast(pl.String)), "item", places, rows)
    plain = [c for c in table.columns if c not in ("item", "title")]
    return table.with_columns(attribute(table[c], None) for c in plain)


def item_file(config: DataConfig, own: Path | None = None) -> dict[str, Path]:
    """The part ``items`` of a source's files: the user's table, else the source's ``own``."""
    if config.items and config.items.path:
        return {"items": existing(config.items.path)}
    return {"items": own} if own and own.is_file() else {}


def item_table(
    config: DataConfig,
    events: pl.DataFrame,
    files: Mapping[str, Path],
    read_own: OwnItems | None = None,
) -> pl.DataFrame:
    """The user's table, else the source's own in ``files``, else one made from the log's ids."""
    if (own := config.items) and own.path:
        dialect = Dialect(
            own.encoding or config.encoding, own.separator or config.separator, "data.items"
        )
        return read_item_table(own.path, own.columns, dialect)
    if read_own and "items" in files:
        return read_own(files["items"], Dialect(config.encoding, config.separator, "data"))
    return items_of_log(events)


def items_of_log(events: pl.DataFrame) -> pl.DataFrame:
    """A table for a log that comes without one: the titles are the ids."""
    ids = events.select(pl.col("item").unique().sort())
    return ids.with_columns(title=pl.col("item"))


def check_known(
    events: pl.DataFrame, items: pl.DataFrame, places: Places | None, missing: str
) -> tuple[pl.DataFrame, int]:
    """The events whose item the table has, and the number of the others.

    Args:
        events: the log (see :class:`~p5rec.data.rawlog.RawLog`).
        items: the item table.
        places: what the log's row numbers mean, where it comes out of files.
        missing: ``error`` or ``drop``.

    Raises:
        UserError: the table lacks an item of the log and ``missing`` is ``error``.
    """
    unknown = ~events["item"].is_in(items["item"].implode())
    n_events = int(unknown.sum())
    if n_events and missing == "error":
        lost = events.filter(unknown)
        n = lost["item"].n_unique()
        raise input_error(
            places.at(lost["row"][0]) if places else f"row {lost['row'][0]}",
            "every item of the log in the item table",
            f"item {lost['item'][0]!r} without a row there ({n} such items, {n_events} events)",
            "add them to the table, or set data.items.missing to drop",
        )
    return (events.filter(~unknown) if n_events else events), n_events
