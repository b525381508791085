"""Feedback of people as a table file: events for the next update of a model."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.artefacts import writing
from p5rec.core.atomic import write_secret
from p5rec.core.locks import exclusive_lock
from p5rec.core.rng import id_keys
from p5rec.data.named_pairs import named_pairs

from .folder import LOCK

FEEDBACK = "feedback.csv"
COLUMNS = ("user", "item", "time", "rating")


@dataclass(frozen=True)
class FeedbackStore:
    """The feedback in a folder (:func:`.folder.people_folder`): ``feedback.csv``.

    Attributes:
        folder: it need not exist.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The table: columns user, item, time (seconds since 1970), rating (may be empty)."""
        return self.folder / FEEDBACK

    def append(self, user: str, item: str, time: int, rating: float | None) -> None:
        """Adds an event: the file has the whole line, or not at all.

        Args:
            user, item: external ids.
            time: seconds since 1970.
            rating: on the data's scale; None: no rating.
        """
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(
            [user, item, time, "" if rating is None else f"{rating:g}"]
        )
        with writing(self.path), exclusive_lock(self.folder / LOCK):
            if not self.path.is_file():
                write_secret(self.path, (",".join(COLUMNS) + "\n").encode())
            with open(self.path, "r+b") as handle:
                handle.truncate(_whole(handle.read()))
                handle.seek(0, os.SEEK_END)
                handle.write(line.getvalue().encode())
                handle.flush()
                os.fsync(handle.fileno())

    def read(self) -> pl.DataFrame:
        """All events, oldest first; no file is an empty table."""
        schema = {"user": pl.String, "item": pl.String, "time": pl.Int64, "rating": pl.Float64}
        if not self.path.is_file():
            return pl.DataFrame(schema=schema)
        content = self.path.read_bytes()
        return pl.read_csv(content[: _whole(content)], schema=schema)

    def forget(self, keys: np.ndarray) -> int:
        """Deletes the events of users and items by their keys; returns their number.

        Args:
            keys: ``(n, 2)`` uint64, see :func:`p5rec.data.named_pairs.named_pairs`.
        """
        if not self.path.is_file():
            return 0
        with writing(self.path), exclusive_lock(self.folder / LOCK):
            table = self.read()
            users, items = (id_keys(table[name].to_list()) for name in ("user", "item"))
            gone = named_pairs(users, items, keys)
            if gone.any():
                write_secret(self.path, table.filter(pl.Series(~gone)).write_csv().encode())
        return int(gone.sum())


def _whole(content: bytes) -> int:
    """The length of ``content`` up to its last whole line: a kill may leave a part of one."""
    return content.rfind(b"\n") + 1
