"""External ids in a user's file → rows of the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import did_you_mean, fault

from .files import column_names, existing, first_row, read_text
from .rawlog import as_id

HINTED = 1000  # known ids that are searched for near ones


def read_columns(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> pl.DataFrame:
    """Columns of a table file, and ``row``, each record's number as a spreadsheet counts it.

    Raises:
        UserError: the file or a required column is missing, or there is no record.
    """
    present = column_names(existing(path))
    if missing := next((name for name in required if name not in present), None):
        hint = did_you_mean(missing, present)
        raise fault(path, f"a column {missing!r}", "none", hint)
    table = read_text(path, [*required, *(name for name in optional if name in present)])
    if not len(table):
        raise fault(path, "at least one row", "none", "fill the file")
    return table.with_row_index("row", offset=first_row(path))


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
        raise fault(
            f"{path}, row {numbers[first]}",
            f"a known {kind}",
            ("nothing" if name is None else repr(name)) + (f" (and {more} more)" if more else ""),
            did_you_mean(name or "", list(known)[:HINTED]),
        )
    return found.to_numpy().astype(np.int32)


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
