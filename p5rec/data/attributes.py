"""Tables that describe what has an id, a row each: items, users. R rows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error

from .cells import as_id
from .config import AttributeConfig
from .files import Dialect, existing, kind
from .tables import Places, Table, read_table

# numbers that are written again just as they stand, so that it does not matter which they are
WHOLE = r"^(0|-?[1-9][0-9]{0,14})$"
BROKEN = r"^-?(0|[1-9][0-9]{0,9})\.[0-9]{0,3}[1-9]$"
POINTED = r"^-?(0|[1-9][0-9]{0,9})\.(0|[0-9]{0,3}[1-9])$"  # a column of floats


def read_described(
    path: str,
    keys: Mapping[str, str],
    attributes: Mapping[str, str | AttributeConfig],
    dialect: Dialect,
    section: str,
) -> tuple[pl.DataFrame, Table]:
    """The columns of a table file under the names that the config gives them.

    Attributes of text files are text; a column of numbers alone is one where every number is
    written as it would be written again, so that ``01003`` or an id of 22 digits stays as it is.

    Args:
        path: the file.
        keys: name → column of what is no attribute; the first is the id.
        attributes: name → column, or column and separator.
        dialect: how the file is written.
        section: of the config, for messages.

    Returns:
        The keys, the id as text, and the attributes, R rows; and the table they stand in.

    Raises:
        UserError: the file or a column is missing.
    """
    file = existing(path)
    chosen = {
        name: AttributeConfig(column=value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }
    parts = {**keys, **{f"attributes.{name}": value.column for name, value in chosen.items()}}
    table = read_table(file, list(dict.fromkeys(parts.values())), dialect)
    faults = [
        f"{file}: expected a column {column!r} for the {part}, got none; "
        f"{did_you_mean(column, table.names)} (set {section}.columns.{part})"
        for part, column in parts.items()
        if column not in table.names
    ]
    if faults:
        raise UserError(*faults)
    table.require_text(*keys.values())
    table.require_text(*(value.column for value in chosen.values()), lists=True)
    frame, typed = table.frame, kind(file) == "parquet"
    id_name, *others = keys
    columns = [
        as_id(frame[keys[id_name]]).alias(id_name),
        *(frame[keys[name]].alias(name) for name in others),
        *(
            attribute(frame[value.column], value.separator, typed).alias(name)
            for name, value in chosen.items()
        ),
    ]
    return pl.DataFrame(columns), table


def check_ids(table: pl.DataFrame, name: str, places: Places, rows: pl.Series) -> pl.DataFrame:
    """``table`` with its ids as text, each once.

    Args:
        table: R rows.
        name: of the column of ids, and of what they are of.
        places, rows: where each stands, ``(R,)``, for messages.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = table.with_columns(as_id(table[name]))
    if table[name].null_count():
        at = table[name].is_null().arg_max() or 0
        article = "an" if name[0] in "aeio" else "a"
        raise input_error(places.at(rows[at]), f"{article} {name} id", "nothing", "fill in the id")
    repeated = table.select(name, rows.alias("row")).filter(pl.col(name).is_duplicated())
    if len(repeated):
        groups = repeated.group_by(name, maintain_order=True).agg("row")
        first, twice = groups.row(0)
        more = f" (and {len(groups) - 1} more ids)" if len(groups) > 1 else ""
        raise input_error(
            places.path, f"each {name} once", f"{first!r} in {places.all(twice)}{more}",
            "remove the repeats",
        )  # fmt: skip
    return table


def attribute(column: pl.Series, separator: str | None, typed: bool = True) -> pl.Series:
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
