"""The keywords of a data set as a recipe's ``data:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p5rec.core.artefacts import Store
from p5rec.data.table_config import ColumnsConfig

from .frames import Frame, cache_frame, column_names, to_polars

EVENTS, ITEMS, USERS = "events", "items", "users"  # names of the frames in messages
COLUMNS = {  # table → keyword → key of the column in its section
    ITEMS: {"item_id": "item", "title": "title", "attributes": "attributes"},
    USERS: {"user_id": "user", "user_attributes": "attributes"},
}


def section(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The ``data:`` section of keywords, with names of columns under ``columns``."""
    tree = {name: value for name, value in settings.items() if value is not None}
    if "time" in settings and settings["time"] is None:
        tree["order"] = "rows"
    columns = dict(tree.pop("columns", {}))
    columns |= {name: tree.pop(name) for name in ColumnsConfig.model_fields if name in tree}
    tables = {name: _table(tree, name) for name in COLUMNS}
    return {**tree, "columns": columns, **tables}


def _table(tree: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The section of the table of items or users; its keywords are removed from ``tree``."""
    value = tree.pop(name, None)
    if value is not None and not isinstance(value, Mapping):
        value = {"path": str(value)}
    table: dict[str, Any] = {"columns": {}, **(value or {})}
    if name == ITEMS and "missing" in tree:
        table["missing"] = tree.pop("missing")
    words = {column: tree.pop(word) for word, column in COLUMNS[name].items() if word in tree}
    table["columns"] = {**table["columns"], **words}
    read = table["columns"].get("attributes")
    if read is not None and not isinstance(read, Mapping):
        table["columns"]["attributes"] = {name: name for name in read}
    return table if table != {"columns": {}} else None


def table_section(
    frame: Frame, name: str, table: Mapping[str, Any], column: str | None, store: Store
) -> dict[str, Any]:
    """The section of a table of items or users from a frame, which is cached in ``store``.

    The cached file has the columns that are read; where one of them is missing it has all columns,
    for the hint in the error message.

    Args:
        frame: the table.
        name: the caller's name of the frame.
        table: the section so far.
        column: the id column of the log.
        store: the cache.
    """
    present, own = column_names(frame, name), name.removesuffix("s")
    columns = {**table["columns"], own: column if column in present else own}
    attributes = columns.get("attributes", {}).values()
    wanted = [a["column"] if isinstance(a, Mapping) else str(a) for a in attributes]
    wanted += [columns[own], *([columns.get("title", "title")] if name == ITEMS else [])]
    read = wanted if set(wanted) <= {*present} else present
    file = cache_frame(to_polars(frame, name, read), store)
    return {**table, "columns": columns, "path": str(file)}
