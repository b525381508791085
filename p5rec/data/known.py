"""External ids → rows of the corpus or of a model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import did_you_mean, fault

from .cells import as_id
from .files import existing
from .tables import read_table

HINTED = 1000  # known ids that are searched for near ones
SHOWN = 80  # characters of a value in a message


def read_columns(
    path: Path, required: Sequence[str], optional: Sequence[str] | None = ()
) -> pl.DataFrame:
    """Columns of a table file, and ``row``, each record's number as a spreadsheet counts it.

    Args:
        path: one file, not a folder.
        required, optional: names of columns; None takes all.

    Raises:
        UserError: the file or a required column is missing, or there is no record.
    """
    if existing(path).is_dir():
        raise fault(path, "one table file", "a folder", "name the file")
    table = read_table(path, None if optional is None else [*required, *optional])
    table.require(*required)
    if not len(table.rows):
        raise fault(path, "at least one row", "none", "fill the file")
    return table.frame.drop("row", strict=False).insert_column(0, table.rows)


def known_rows(
    names: pl.Series, known: Sequence[str], kind: str, path: Path, numbers: pl.Series
) -> np.ndarray:
    """Rows ``(B,)`` int32 of external ids.

    Args:
        names: ``(B,)`` ids.
        known: the ids in order of row.
        kind: ``user`` or ``item``, for the message.
        path, numbers: where each id stands, ``(B,)``, for the message.

    Raises:
        UserError: an id is missing or unknown; it names the first such row.
    """
    ids = as_id(names).alias("id").to_frame()
    rows = pl.DataFrame({"id": known}, schema={"id": pl.String}).with_row_index("at")
    found = ids.join(rows, on="id", how="left", maintain_order="left")["at"]
    if found.null_count():
        first = found.is_null().arg_max() or 0
        name, more = ids["id"][first], found.null_count() - 1
        value = names[first] if name is None else name
        got = "nothing" if value is None or value == "" else repr(value)[:SHOWN]
        raise fault(
            f"{path}, row {numbers[first]}",
            f"a known {kind}",
            got + (f" (and {more} more)" if more else ""),
            did_you_mean(name or "", list(known)[:HINTED]),
        )
    return found.to_numpy().astype(np.int32)


def rows_among(item_ids: Sequence[Hashable], known: Sequence[Hashable]) -> np.ndarray:
    """``(N,)`` the row in ``known`` of each item, -1 for those that are not there."""
    place = {item: row for row, item in enumerate(known)}
    return np.array([place.get(item, -1) for item in item_ids])


def numbered(names: pl.Series, known: Sequence[str]) -> np.ndarray:
    """Rows ``(B,)`` int64 of external ids as :func:`known_rows` has them; what is unknown counts on
    from there, each id with a number of its own, and each missing one.

    Args:
        names: ``(B,)`` ids.
        known: the ids in order of row.
    """
    ids = as_id(names).alias("id").to_frame()
    rows = pl.DataFrame({"id": known}, schema={"id": pl.String}).with_row_index("at")
    found = ids.join(rows, on="id", how="left", maintain_order="left")["at"].cast(pl.Int64)
    strange = found.is_null().to_numpy()
    words = ids["id"].to_numpy()
    others = {name: len(known) + n for n, name in enumerate(dict.fromkeys(words[strange])) if name}
    nobody = len(known) + int(strange.sum())
    numbers: np.ndarray = found.fill_null(-1).to_numpy().copy()
    for at in np.flatnonzero(strange):
        numbers[at] = others.get(words[at], nobody + int(at))
    return numbers
