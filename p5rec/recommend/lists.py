"""Ranked lists as files: one row per rank, with external ids and titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.artefacts import writing
from p5rec.core.atomic import atomic_write
from p5rec.core.types import Catalog, RankedLists

FORMATS = {
    ".parquet": lambda frame, handle: frame.write_parquet(handle),
    ".jsonl": lambda frame, handle: frame.write_ndjson(handle),
    ".csv": lambda frame, handle: frame.write_csv(handle),
}


def to_frame(lists: RankedLists, catalog: Catalog, user_ids: Sequence[str]) -> pl.DataFrame:
    """Columns user, rank (from 1), item, title, score; lists that ended early have fewer rows."""
    request, position = np.nonzero(lists.items >= 0)
    rows = lists.items[request, position]
    users = [user_ids[row] for row in lists.users[request]]
    return pl.DataFrame(
        {
            "user": pl.Series(users, dtype=pl.String),
            "rank": (position + 1).astype(np.int32),
            "item": pl.Series([catalog.ids[r] for r in rows], dtype=pl.String),
            "title": pl.Series([catalog.titles[r] for r in rows], dtype=pl.String),
            "score": lists.scores[request, position].astype(np.float32),
        }
    )


def write_lists(frame: pl.DataFrame, *paths: Path) -> None:
    """Writes ``frame`` atomically to each path, in the format of its suffix (``FORMATS``).

    Raises:
        UserError: the disk is full, or the path is not writable.
    """
    for path in paths:
        with writing(path), atomic_write(path, "wb") as handle:
            FORMATS[path.suffix](frame, handle)
