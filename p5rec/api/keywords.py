"""The keywords of a data set's making as a recipe's ``data:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p5rec.core.artefacts import Store
from p5rec.data.config import ColumnsConfig

from .frames import Frame, column_names, keep, to_polars

EVENTS, ITEMS, USERS = "events", "items", "users"  # what messages call the frames
COLUMNS = {  # table → keyword → what its section calls the column
    ITEMS: {"item_id": "item", "title": "title", "attributes": "attributes"},
    USERS: {"user_id": "user", "user_attributes": "attributes"},
}


def section(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A ``data:`` section of keywords: names of columns go where the section has them."""
    tree = {name: value for name, value in settings.items() if value is not None}
    if "time" in settings and settings["time"] is None:
        tree["order"] = "rows"
    columns = dict(tree.pop("columns", {}))
    columns |= {name: tree.pop(name) for name in ColumnsConfig.model_fields if name in tree}
    tables = {name: _table(tree, name) for name in COLUMNS}
    return {**tree, "columns": columns, **tables}


def _table(tree: dict[str, Any], name: str) -> dict[str, Any] | None:
    """What keywords say of the table of items or users, taken out of ``tree``."""
    told = tree.pop(name, None)
    if told is not None and not isinstance(told, Mapping):
        told = {"path": str(told)}
    table: dict[str, Any] = {"columns": {}, **(told or {})}
    if name == ITEMS and "missing" in tree:
        table["missing"] = tree.pop("missing")
    words = {column: tree.pop(word) for word, column in COLUMNS[name].items() if word in tree}
    table["columns"] = {**table["columns"], **words}
    read = table["columns"].get("attributes")
    if read is not None and not isinstance(read, Mapping):
        table["columns"]["attributes"] = {name: name for name in read}
    return table if table != {"columns": {}} else None


def kept(
    frame: Frame, name: str, table: Mapping[str, Any], column: str | None, store: Store
) -> dict[str, Any]:
    """The section of a table of items or users that is a frame, which goes into ``store``.

    Of its columns those are kept that are read; where one is missing all, for the hint.

    Args:
        column: what the log calls the id.
    """
    present, own = column_names(frame, name), name.removesuffix("s")
    columns = {**table["columns"], own: column if column in present else own}
    attributes = columns.get("attributes", {}).values()
    wanted = [a["column"] if isinstance(a, Mapping) else str(a) for a in attributes]
    wanted += [columns[own], *([columns.get("title", "title")] if name == ITEMS else [])]
    read = wanted if set(wanted) <= {*present} else present
    file = keep(to_polars(frame, name, read), store)
    return {**table, "columns": columns, "path": str(file)}
