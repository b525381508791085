"""The item table: ids, titles, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, fault

from .config import AttributeConfig, DataConfig, ItemColumnsConfig
from .files import column_names, existing, first_row, read_typed
from .rawlog import as_id

YEAR = r"\((\d{4})\)\s*$"


def read_item_table(path: str, chosen: ItemColumnsConfig) -> pl.DataFrame:
    """The item table in any table file (see :class:`~p5rec.data.config.ItemTableConfig`).

    Raises:
        UserError: the file or a column is missing, or ids are missing or repeated.
    """
    file = existing(path)
    item, title = chosen.item or "item", chosen.title or "title"
    attributes = {
        name: AttributeConfig(column=value) if isinstance(value, str) else value
        for name, value in chosen.attributes.items()
    }
    present = column_names(file)
    parts = {"item": item, "title": title}
    parts |= {f"attributes.{name}": value.column for name, value in attributes.items()}
    faults = [
        f"{file}: expected a column {column!r} for the {part}, got none; "
        f"{did_you_mean(column, present)} (set data.items.columns.{part})"
        for part, column in parts.items()
        if column not in present
    ]
    if faults:
        raise UserError(*faults)
    split = [a.column for a in attributes.values() if a.separator]
    wanted = list(dict.fromkeys(parts.values()))
    frame = read_typed(file, wanted, text=[item, title, *split])
    columns = [
        _attribute(frame[value.column], value.separator).alias(name)
        for name, value in attributes.items()
    ]
    table = pl.DataFrame([as_id(frame[item]).alias("item"), frame[title].alias("title"), *columns])
    return check_items(table, file, first_row=first_row(file))


def check_items(table: pl.DataFrame, path: Path, *, first_row: int) -> pl.DataFrame:
    """``table`` with text ids, each once, text titles, and attributes of known types.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = table.with_columns(as_id(table["item"]), pl.col("title").cast(pl.String))
    if table["item"].null_count():
        at = table["item"].is_null().arg_max() or 0
        raise fault(f"{path}, row {at + first_row}", "an item id", "nothing", "fill in the id")
    repeated = table.select("item").with_row_index("row", offset=first_row)
    repeated = repeated.filter(pl.col("item").is_duplicated())
    if len(repeated):
        groups = repeated.group_by("item", maintain_order=True).agg("row")
        name, rows = groups.row(0)
        more = f" (and {len(groups) - 1} more ids)" if len(groups) > 1 else ""
        raise fault(
            path, "each item once", f"{name!r} in rows {', '.join(map(str, rows[:5]))}{more}",
            "remove the repeats",
        )  # fmt: skip
    plain = [c for c in table.columns if c not in ("item", "title")]
    return table.with_columns(_attribute(table[c], None) for c in plain)


def item_file(config: DataConfig, own: Path | None = None) -> dict[str, Path]:
    """The part ``items`` of a source's files: the user's table, else the source's ``own``."""
    if config.items and config.items.path:
        return {"items": existing(config.items.path)}
    return {"items": own} if own and own.is_file() else {}


def item_table(
    config: DataConfig,
    events: pl.DataFrame,
    files: Mapping[str, Path],
    read_own: Callable[[Path], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """The user's table, else the source's own in ``files``, else one made from the log's ids."""
    if config.items and config.items.path:
        return read_item_table(config.items.path, config.items.columns)
    if read_own and "items" in files:
        return read_own(files["items"])
    return items_of_log(events)


def items_of_log(events: pl.DataFrame) -> pl.DataFrame:
    """A table for a log that comes without one: the titles are the ids."""
    ids = events.select(pl.col("item").unique().sort())
    return ids.with_columns(title=pl.col("item"))


def check_known(
    events: pl.DataFrame, items: pl.DataFrame, path: Path, missing: str
) -> tuple[pl.DataFrame, int]:
    """The events whose item the table has, and the number of the others.

    Raises:
        UserError: the table lacks an item of the log and ``missing`` is ``error``.
    """
    unknown = ~events["item"].is_in(items["item"].implode())
    n_events = int(unknown.sum())
    if n_events and missing == "error":
        lost = events.filter(unknown)
        n = lost["item"].n_unique()
        raise fault(
            f"{path}, row {lost['row'][0]}",
            "every item of the log in the item table",
            f"item {lost['item'][0]!r} without a row there ({n} such items, {n_events} events)",
            "add them to the table, or set data.items.missing to drop",
        )
    return (events.filter(~unknown) if n_events else events), n_events


def _attribute(column: pl.Series, separator: str | None) -> pl.Series:
    """Text, a number, or a list of text; nested lists are flattened, repeats dropped."""
    if separator:
        parts = column.cast(pl.String).str.split(separator)
        words = pl.element().str.strip_chars()
        return parts.list.eval(words.filter(words != ""))
    if isinstance(column.dtype, pl.List):
        element = pl.element()
        inner = column.dtype.inner
        while isinstance(inner, pl.List):
            element, inner = element.explode(), inner.inner
        words = element.cast(pl.String).drop_nulls()
        return column.list.eval(words.unique(maintain_order=True))
    return column if column.dtype.is_numeric() else column.cast(pl.String)
