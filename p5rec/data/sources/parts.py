"""Several logs as one corpus, such as the domains that a model is pre-trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import polars as pl

from p5rec.core.errors import UserError, input_error
from p5rec.data.config import DataConfig
from p5rec.data.rawlog import RawLog, Source
from p5rec.data.reading import read_log
from p5rec.data.registry import SOURCES

DOMAIN = "domain"  # the item attribute that names the part
T = TypeVar("T")


def files(config: DataConfig) -> dict[str, Path]:
    """The files of all parts, by ``part/role``."""
    paths = _each(config, lambda part: SOURCES.get(part.source).files(part))
    return {f"{name}/{role}": path for name, own in paths.items() for role, path in own.items()}


def read(config: DataConfig) -> RawLog:
    """The logs with prefixed ids, and the columns that all of them have.

    Times become positions if one part has only an order. Attributes that a part lacks are unknown
    for its items. User tables are not read.

    Raises:
        UserError: a part is missing or broken, or an attribute has different types.
    """
    logs = _each(config, read_log)
    ordinal = any(log.ordinal for log in logs.values())
    shared = [n for n in next(iter(logs.values())).events.columns if all(
        n in log.events.columns for log in logs.values()
    )]  # fmt: skip
    events = [
        (log.events if log.ordinal or not ordinal else _positions(log.events))
        .select(shared)
        .with_columns(_prefixed(name, "user"), _prefixed(name, "item"))
        for name, log in logs.items()
    ]
    paths = tuple(path for log in logs.values() for path in log.files)
    incomplete = sum(log.incomplete for log in logs.values())
    return RawLog(pl.concat(events), _items(logs), paths, ordinal, incomplete)


def _each(config: DataConfig, work: Callable[[DataConfig], T]) -> dict[str, T]:
    """The result of ``work`` on each part, by name; the errors of all parts name theirs."""
    done, lines = {}, list[str]()
    for name, part in config.leaves.items():
        try:
            done[name] = work(part)
        except UserError as error:
            lines += [f"data.parts.{name}: {line}" for line in error.lines]
    if lines:
        raise UserError(*lines)
    return done


def _positions(events: pl.DataFrame) -> pl.DataFrame:
    """``events`` with the rank of each time among its user's times in place of the time."""
    rank = pl.col("time").rank("dense").over("user").cast(pl.Int64) - 1
    return events.with_columns(rank.alias("time"))


def _prefixed(name: str, column: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{name}/"), column).alias(column)


def _items(logs: Mapping[str, RawLog]) -> pl.DataFrame:
    """The item tables, one after the other."""
    tables = [
        log.items.with_columns(_prefixed(name, "item"), pl.lit(name).alias(DOMAIN))
        for name, log in logs.items()
    ]
    types: dict[str, tuple[str, pl.DataType]] = {}
    for name, table in zip(logs, tables, strict=True):
        for column, dtype in table.schema.items():
            first, known = types.setdefault(column, (name, dtype))
            if dtype != known:
                raise input_error(
                    f"data.parts.{name}.items", f"{column} of the type that {first} has, {known}",
                    str(dtype), "name one of the two attributes differently",
                )  # fmt: skip
    return pl.concat(tables, how="diagonal")


SOURCE = Source("several logs as one corpus, each with a reader of its own", files, read)
