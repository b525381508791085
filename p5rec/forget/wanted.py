"""The events that a request names, found in logs and in prepared data.

E events, n lines of a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import UserError, input_error
from p5rec.core.rng import event_keys, id_keys
from p5rec.core.types import Interactions
from p5rec.data.cells import as_id
from p5rec.data.config import DataConfig
from p5rec.data.files import Dialect
from p5rec.data.named_pairs import EVERY, named_pairs
from p5rec.data.rawlog import RawLog
from p5rec.data.tables import read_table
from p5rec.data.times import microseconds
from p5rec.data.tombstones import SECOND, keys_of

COLUMNS = ("user", "item", "time")


@dataclass(frozen=True, eq=False)
class Wanted:
    """The events to forget, by external ids.

    Attributes:
        lines: ``(n,)`` with the column ``user`` and, to name some events of a user alone, ``item``
            or ``item`` and ``time``, all as text.
        where: the file of the request, for messages; None if it came as arguments.
        rows: ``(n,)`` the number of each line in the request; None: they are all.
    """

    lines: pl.DataFrame
    where: Path | None = None
    rows: np.ndarray | None = None

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
        ids = [as_id(table[name]) for name in names if name != "time"]
        lines = table.select(*ids, *(pl.col(n).cast(pl.String) for n in names if n == "time"))
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
        rows = self.lines["user"].str.starts_with(f"{name}/").arg_true().to_numpy()
        ids = [c for c in ("user", "item") if c in self.lines.columns]
        own = self.lines[rows].with_columns(pl.col(ids).str.strip_prefix(f"{name}/"))
        return replace(self, lines=own, rows=rows)

    def among(self, log: RawLog, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
        """``(E,)`` bool, which events of ``log`` are to be forgotten; and the numbers of the lines
        that name one of them.

        Args:
            log: the log as its files have it.
            config: the format of its times.
        """
        names, lines = self.lines.columns, self.lines
        if "time" in names:
            lines = lines.with_columns(microseconds(lines["time"], config.time_format))
        columns = log.events.select(names).with_row_index("at")
        found = columns.join(lines.with_row_index("line"), on=names, how="inner")
        out = np.zeros(len(log.events), dtype=bool)
        out[found["at"].to_numpy()] = True
        named = found["line"].unique().to_numpy()
        return out, named if self.rows is None else self.rows[named]

    def unmatched(self, named: np.ndarray) -> UserError | None:
        """The error of lines without an event, if there are some.

        Args:
            named: the numbers of the lines with events.
        """
        lost = np.setdiff1d(np.arange(len(self.lines)), named)
        if not len(lost):
            return None
        todo = "check ids and times, or leave these out (--partly)"
        got = f"none for {len(lost):,} of {len(self.lines):,}"
        if self.where is None:
            return input_error("--user", "an event for each id", got, todo)
        return input_error(self.where, "an event for each line", got, todo, line=int(lost[0]) + 2)

    @property
    def keys(self) -> np.ndarray:
        """``(n, 2)`` uint64: the keys of the user and the item of each line; :data:`EVERY`."""
        users = id_keys(self.lines["user"].to_list())
        items = np.full_like(users, EVERY)
        if "item" in self.lines.columns:
            items = id_keys(self.lines["item"].to_list())
        return np.stack([users, items], axis=1)


@dataclass(frozen=True, eq=False)
class Named:
    """The events of requests, to be found in prepared data.

    Attributes:
        keys: ``(n, 2)`` the named users and items, see :attr:`Wanted.keys`.
        events: ``(S,)`` uint64, the event keys (:func:`prepared_keys`).
    """

    keys: np.ndarray
    events: np.ndarray

    @classmethod
    def joined(cls, several: Sequence[Named]) -> Named:
        """The events of all."""
        keys = np.unique(np.concatenate([each.keys for each in several]), axis=0)
        return cls(keys, np.unique(np.concatenate([each.events for each in several])))

    def among(self, log: Interactions) -> np.ndarray:
        """``(E,)`` bool: the events in prepared data.

        Positions may be counted anew when an earlier event is gone. So in a log without times all
        events of a named user with a named item count.
        """
        if log.dated:
            return np.isin(log.event_keys, self.events)
        return named_pairs(log.user_keys[log.users], log.item_keys[log.items], self.keys)


def prepared_keys(log: RawLog, chosen: np.ndarray, part: str) -> np.ndarray:
    """``(S,)`` uint64: the event keys that ``chosen (E,)`` events have in prepared data.

    Equal events are all chosen, or none is. In a log without times, keys are those of prepared data
    that have all of its events.

    Args:
        log: the log as its files have it.
        chosen: bool.
        part: name of the log in a corpus of several; its ids begin with it there.
    """
    times = log.events["time"].to_numpy() // (1 if log.ordinal else SECOND)
    found = [np.zeros(0, np.uint64)]
    for prefix in {"", f"{part}/" if part else ""}:
        users, items = (keys_of(prefix + log.events[name]) for name in ("user", "item"))
        found.append(event_keys(users, items, times)[chosen])
    return np.unique(np.concatenate(found))
