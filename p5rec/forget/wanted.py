"""The events that a request names, found in logs and in prepared data.

E events, n lines of a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.rng import id_keys
from p5rec.core.types import Interactions
from p5rec.data.config import DataConfig
from p5rec.data.files import Dialect
from p5rec.data.named_pairs import EVERY, named_pairs
from p5rec.data.rawlog import RawLog
from p5rec.data.tables import read_table
from p5rec.data.times import microseconds

COLUMNS = ("user", "item", "time")


@dataclass(frozen=True, eq=False)
class Wanted:
    """The events to forget, by external ids.

    Attributes:
        lines: ``(n,)`` with the column ``user`` and, to name some events of a user alone, ``item``
            or ``item`` and ``time``, all as text.
        where: the file of the request, for messages; None if it came as arguments.
    """

    lines: pl.DataFrame
    where: Path | None = None

    @classmethod
    def of_users(cls, users: Sequence[str]) -> Wanted:
        """All events of ``users``."""
        return cls(pl.DataFrame({"user": list(users)}, schema={"user": pl.String}))

    @classmethod
    def read(cls, path: Path) -> Wanted:
        """The events in a table file with the columns ``user``, ``item`` and ``time``; the last
        two, or the last, may be absent.

        Raises:
            UserError: the file is missing or empty, lacks the column ``user`` or values, or has
                times without items.
        """
        table = read_table(path, None, Dialect()).frame
        names = [name for name in COLUMNS if name in table.columns]
        if "user" not in names or names == ["user", "time"]:
            raise input_error(
                path, "columns user, item, time (or user, item; or user)",
                ", ".join(map(repr, table.columns)), "name the columns so",
            )  # fmt: skip
        lines = table.select(pl.col(names).cast(pl.String))
        if not len(lines):
            raise input_error(path, "at least one line", "none", "name the events to forget")
        empty = lines.select(pl.any_horizontal(pl.all().is_null())).to_series().arg_true()
        if len(empty):
            raise input_error(path, "a value in each column", "an empty one", "fill it in",
                              line=int(empty[0]) + 2)  # fmt: skip
        return cls(lines, path)

    def of_part(self, name: str) -> Wanted:
        """The lines about users of the part ``name`` of a corpus, whose ids begin with it."""
        if not name:
            return self
        own = self.lines.filter(pl.col("user").str.starts_with(f"{name}/"))
        ids = [c for c in ("user", "item") if c in own.columns]
        return replace(self, lines=own.with_columns(pl.col(ids).str.strip_prefix(f"{name}/")))

    def among(self, log: RawLog, config: DataConfig) -> np.ndarray:
        """``(E,)`` bool: which events of ``log`` are to be forgotten.

        Args:
            log: the log as its files have it.
            config: the format of its times.
        """
        names, lines = self.lines.columns, self.lines
        if "time" in names:
            lines = lines.with_columns(microseconds(lines["time"], config.time_format))
        columns = log.events.select(names).with_row_index("at")
        at = columns.join(lines.unique(), on=names, how="semi")["at"].to_numpy()
        out = np.zeros(len(log.events), dtype=bool)
        out[at] = True
        return out

    @property
    def keys(self) -> np.ndarray:
        """``(n, 2)`` uint64: the keys of the user and the item of each line; :data:`EVERY`."""
        users = id_keys(self.lines["user"].to_list())
        items = np.full_like(users, EVERY)
        if "item" in self.lines.columns:
            items = id_keys(self.lines["item"].to_list())
        return np.stack([users, items], axis=1)


def events_of(keys: np.ndarray, log: Interactions) -> np.ndarray:
    """``(E,)`` bool: the events of ``log`` with a user and an item among ``keys (n, 2)``.

    Times are not compared: all events of a user with an item count.
    """
    return named_pairs(log.user_keys[log.users], log.item_keys[log.items], keys)
