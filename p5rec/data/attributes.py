"""Item and user tables: one id and its attributes per row. R rows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error

from .cells import as_id
from .files import Dialect, existing, kind
from .table_config import AttributeConfig
from .tables import RowLocations, Table, read_table

# canonical spellings of numbers: parsing and formatting them gives the same text
INTEGER = r"^(0|-?[1-9][0-9]{0,14})$"
DECIMAL = r"^-?(0|[1-9][0-9]{0,9})\.[0-9]{0,3}[1-9]$"
FLOAT = r"^-?(0|[1-9][0-9]{0,9})\.(0|[0-9]{0,3}[1-9])$"  # of a column of floats


def read_described(
    path: str,
    keys: Mapping[str, str],
    attributes: Mapping[str, str | AttributeConfig],
    dialect: Dialect,
    section: str,
) -> tuple[pl.DataFrame, Table]:
    """The columns of a table file, renamed as in the config.

    Attributes of text files are text. A column becomes numeric only if all its values are numbers
    in canonical spelling, so ``01003`` or an id of 22 digits stays text.

    Args:
        path: the file.
        keys: name → column of the id (first) and of other columns that are no attributes.
        attributes: name → column, or column and separator.
        dialect: the format of the file.
        section: the config section, for messages.

    Returns:
        A frame of R rows with the keys (the id as text) and the attributes; and the table as read.

    Raises:
        UserError: the file or a column is missing.
    """
    file = existing(path)
    chosen = {
        name: AttributeConfig(column=value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }
    fields = {**keys, **{f"attributes.{name}": value.column for name, value in chosen.items()}}
    table = read_table(file, list(dict.fromkeys(fields.values())), dialect)
    errors = [
        f"{file}: expected a column {column!r} for the {field}, got none; "
        f"{did_you_mean(column, table.names)} (set {section}.columns.{field})"
        for field, column in fields.items()
        if column not in table.names
    ]
    if errors:
        raise UserError(*errors)
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


def check_ids(
    table: pl.DataFrame, name: str, locations: RowLocations, rows: pl.Series
) -> pl.DataFrame:
    """``table`` with unique text ids.

    Args:
        table: R rows.
        name: the id column: ``item`` or ``user``.
        locations, rows: the location of each row, ``(R,)``, for messages.

    Raises:
        UserError: an id is missing or repeated.
    """
    table = table.with_columns(as_id(table[name]))
    if table[name].null_count():
        at = table[name].is_null().arg_max() or 0
        article = "an" if name[0] in "aeio" else "a"
        raise input_error(
            locations.at(rows[at]), f"{article} {name} id", "nothing", "fill in the id"
        )
    repeated = table.select(name, rows.alias("row")).filter(pl.col(name).is_duplicated())
    if len(repeated):
        groups = repeated.group_by(name, maintain_order=True).agg("row")
        first, twice = groups.row(0)
        more = f" (and {len(groups) - 1} more ids)" if len(groups) > 1 else ""
        raise input_error(
            locations.path, f"each {name} once", f"{first!r} in {locations.all(twice)}{more}",
            "remove the repeats",
        )  # fmt: skip
    return table


def attribute(column: pl.Series, separator: str | None, typed: bool = True) -> pl.Series:
    """An attribute column as text, numbers or lists of text.

    Nested lists are flattened, and repeated values of a list are dropped.

    Args:
        column: the column as read.
        separator: splits text into a list.
        typed: whether text stays text; else it may become numbers.
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
    """The column as numbers if all its values have a canonical spelling, else as text."""
    known = text.drop_nulls()
    if not len(known):
        return text
    if known.str.contains(INTEGER).all():
        return text.cast(pl.Int64)
    if any(known.str.contains(form).all() for form in (f"{INTEGER}|{DECIMAL}", FLOAT)):
        return text.cast(pl.Float64)
    return text
