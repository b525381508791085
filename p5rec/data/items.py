"""The item table: ids, titles, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, fault

from .config import AttributeConfig, DataConfig, ItemColumnsConfig
from .files import Dialect, existing, kind
from .rawlog import as_id
from .tables import Places, read_table

YEAR = r"\((\d{4})\)\s*$"
# numbers that are written again just as they stand, so that it does not matter which they are
WHOLE = r"^(0|-?[1-9][0-9]{0,14})$"
BROKEN = r"^-?(0|[1-9][0-9]{0,9})\.[0-9]{0,3}[1-9]$"
POINTED = r"^-?(0|[1-9][0-9]{0,9})\.(0|[0-9]{0,3}[1-9])$"  # a column of floats
OwnItems = Callable[[Path, Dialect], pl.DataFrame]


def read_item_table(path: str, chosen: ItemColumnsConfig, dialect: Dialect) -> pl.DataFrame:
    """The item table in any table file (see :class:`~p5rec.data.config.ItemTableConfig`).

    Attributes of text files are text; a column of numbers alone is one where every number is
    written as it would be written again, so that ``01003`` or an id of 22 digits stays as it is.

    Raises:
        UserError: the file or a column is missing, or ids are missing or repeated.
    """
    file = existing(path)
    item, title = chosen.item or "item", chosen.title or "title"
    attributes = {
        name: AttributeConfig(column=value) if isinstance(value, str) else value
        for name, value in chosen.attributes.items()
    }
    parts = {"item": item, "title": title}
    parts |= {f"attributes.{name}": value.column for name, value in attributes.items()}
    table = read_table(file, list(dict.fromkeys(parts.values())), dialect)
    present = table.names
    faults = [
        f"{file}: expected a column {column!r} for the {part}, got none; "
        f"{did_you_mean(column, present)} (set data.items.columns.{part})"
        for part, column in parts.items()
        if column not in present
    ]
    if faults:
        raise UserError(*faults)
    table.require_text(item, title)
    table.require_text(*(value.column for value in attributes.values()), lists=True)
    frame, typed = table.frame, kind(file) == "parquet"
    columns = [
        _attribute(frame[value.column], value.separator, typed).alias(name)
        for name, value in attributes.items()
    ]
    found = pl.DataFrame([as_id(frame[item]).alias("item"), frame[title].alias("title"), *columns])
    return check_items(found, table.places, table.rows)


def check_items(table: pl.DataFrame, places: Places, rows: pl.Series) -> pl.DataFrame:
    """``table`` with text ids, each once, text titles, and attributes of known types.

    Args:
        table: ``item``, ``title`` and attributes, N rows.
        places, rows: where each stands, ``(N,)``, for messages.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = table.with_columns(as_id(table["item"]), pl.col("title").cast(pl.String))
    if table["item"].null_count():
        at = table["item"].is_null().arg_max() or 0
        raise fault(places.at(rows[at]), "an item id", "nothing", "fill in the id")
    repeated = table.select("item", rows.alias("row")).filter(pl.col("item").is_duplicated())
    if len(repeated):
        groups = repeated.group_by("item", maintain_order=True).agg("row")
        name, twice = groups.row(0)
        more = f" (and {len(groups) - 1} more ids)" if len(groups) > 1 else ""
        raise fault(
            places.path, "each item once", f"{name!r} in {places.all(twice)}{more}",
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
        raise fault(
            places.at(lost["row"][0]) if places else f"row {lost['row'][0]}",
            "every item of the log in the item table",
            f"item {lost['item'][0]!r} without a row there ({n} such items, {n_events} events)",
            "add them to the table, or set data.items.missing to drop",
        )
    return (events.filter(~unknown) if n_events else events), n_events


def _attribute(column: pl.Series, separator: str | None, typed: bool = True) -> pl.Series:
    """Text, a number, or a list of text; nested lists are flattened, repeats dropped.

    Args:
        column: as it was read.
        separator: splits text into a list.
        typed: text is meant as text; else it may be numbers.
    """
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if isinstance(column.dtype, pl.List):
        element = pl.element()
        inner = column.dtype.inner
        while isinstance(inner, pl.List | pl.Array):
            element, inner = element.explode(), inner.inner
        words = element.cast(pl.String).drop_nulls()
        return column.list.eval(words.unique(maintain_order=True))
    if separator:
        split = column.cast(pl.String).str.split(separator)
        words = pl.element().str.strip_chars()
        return split.list.eval(words.filter(words != ""))
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype.is_integer():
        return column
    text = column.cast(pl.String)
    return text if typed else _numbers(text)


def _numbers(text: pl.Series) -> pl.Series:
    """A column as numbers, if each of them is written as it would be written again."""
    told = text.drop_nulls()
    if not len(told):
        return text
    if told.str.contains(WHOLE).all():
        return text.cast(pl.Int64)
    if any(told.str.contains(form).all() for form in (f"{WHOLE}|{BROKEN}", POINTED)):
        return text.cast(pl.Float64)
    return text
