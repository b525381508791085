"""External ids → row numbers of the corpus, or indices in another list of ids."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import did_you_mean, input_error

from .cells import as_id
from .files import existing
from .tables import read_table

HINTED = 1000  # known ids that are searched for the nearest one
MAX_CHARS = 80  # characters of a value in a message


def read_columns(
    path: Path, required: Sequence[str], optional: Sequence[str] | None = ()
) -> pl.DataFrame:
    """Columns of a table file, and ``row``, the row number of each record as in a spreadsheet.

    Args:
        path: one file, not a folder.
        required: names of columns that must exist.
        optional: names of further columns; None reads all.

    Raises:
        UserError: the file or a required column is missing, or the file has no record.
    """
    if existing(path).is_dir():
        raise input_error(path, "one table file", "a folder", "name the file")
    table = read_table(path, None if optional is None else [*required, *optional])
    table.require(*required)
    if not len(table.rows):
        raise input_error(path, "at least one row", "none", "fill the file")
    return table.frame.drop("row", strict=False).insert_column(0, table.rows)


def row_numbers(
    names: pl.Series, known: Sequence[str], kind: str, path: Path, numbers: pl.Series
) -> np.ndarray:
    """The row numbers ``(B,)`` int32 of external ids.

    Args:
        names: ``(B,)`` ids.
        known: the ids of the corpus in row order.
        kind: ``user`` or ``item``, for the message.
        path, numbers: the file and the row ``(B,)`` of each id, for the message.

    Raises:
        UserError: an id is missing or unknown; the message names the first such row.
    """
    ids = as_id(names).alias("id").to_frame()
    rows = pl.DataFrame({"id": known}, schema={"id": pl.String}).with_row_index("at")
    indices = ids.join(rows, on="id", how="left", maintain_order="left")["at"]
    if indices.null_count():
        first = indices.is_null().arg_max() or 0
        name, more = ids["id"][first], indices.null_count() - 1
        value = names[first] if name is None else name
        got = "nothing" if value is None or value == "" else repr(value)[:MAX_CHARS]
        raise input_error(
            f"{path}, row {numbers[first]}",
            f"a known {kind}",
            got + (f" (and {more} more)" if more else ""),
            did_you_mean(name or "", list(known)[:HINTED]),
        )
    return indices.to_numpy().astype(np.int32)


def item_indices(item_ids: Sequence[Hashable], known: Sequence[Hashable]) -> np.ndarray:
    """``(N,)`` the index in ``known`` of each item, -1 for items not in ``known``."""
    index_of = {item: index for index, item in enumerate(known)}
    return np.array([index_of.get(item, -1) for item in item_ids])


def extended_row_numbers(names: pl.Series, known: Sequence[str]) -> np.ndarray:
    """The row numbers ``(B,)`` int64 of external ids, with further numbers for unknown ids.

    Each unknown id gets its own number after those of the known ids; so does each missing id.

    Args:
        names: ``(B,)`` ids.
        known: the ids of the corpus in row order.
    """
    ids = as_id(names).alias("id").to_frame()
    rows = pl.DataFrame({"id": known}, schema={"id": pl.String}).with_row_index("at")
    indices = ids.join(rows, on="id", how="left", maintain_order="left")["at"].cast(pl.Int64)
    unknown = indices.is_null().to_numpy()
    texts = ids["id"].to_numpy()
    others = {name: len(known) + n for n, name in enumerate(dict.fromkeys(texts[unknown])) if name}
    missing = len(known) + int(unknown.sum())
    numbers: np.ndarray = indices.fill_null(-1).to_numpy().copy()
    for at in np.flatnonzero(unknown):
        numbers[at] = others.get(texts[at], missing + int(at))
    return numbers
