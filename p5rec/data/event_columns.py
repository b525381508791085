"""Optional columns of events: context, label, behaviour.

The columns pass all filters as columns of the log's frame, under the names below. The remaining
events become arrays. E events.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.features import Behaviours, Categories, Context

from .cells import absent, as_id, as_number, refuse
from .config import BehaviourConfig, ContextConfig, DataConfig
from .tables import RowLocations

# column names in a log's frame, by config key
CONTEXT, LABEL, BEHAVIOUR = "context.", "label.column", "behaviour.column"
MOST = 100  # behaviours
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")


def further_columns(config: DataConfig) -> dict[str, str]:
    """Name in the log's frame → column of the file, for all optional columns in the config."""
    columns = {CONTEXT + name: each.column for name, each in context_of(config).items()}
    if config.label and config.label.column is not None:
        columns[LABEL] = config.label.column
    if config.behaviour:
        columns[BEHAVIOUR] = config.behaviour.column
    return columns


def context_of(config: DataConfig) -> dict[str, ContextConfig]:
    """Name → full config of each context column."""
    return {
        name: ContextConfig(column=name, kind=each) if isinstance(each, str) else each
        for name, each in config.context.items()
    }


def read_further(
    raw: pl.DataFrame, config: DataConfig, locations: RowLocations, rows: pl.Series
) -> pl.DataFrame:
    """The optional columns, typed: numbers float32, labels Int8, others text; null if unknown.

    Args:
        raw: the columns under the names of :func:`further_columns`, E rows.
        config: the types of the columns.
        locations, rows: the location of each row, for messages.

    Raises:
        UserError: a number or a label is not readable; the message names the row.
    """
    typed: dict[str, pl.Series] = {}
    todo = "fix it, or leave the cell empty"
    for name, each in context_of(config).items():
        values = raw[CONTEXT + name]
        if each.kind == "category":
            typed[CONTEXT + name] = as_id(values).set(absent(values, "category"), None)
            continue
        empty, numbers = absent(values, "number"), as_number(values)
        bad = ~numbers.is_finite().fill_null(False) & ~empty
        refuse(bad, values, locations, rows, "a number", each.column, todo)
        typed[CONTEXT + name] = numbers.set(empty, None)
    if LABEL in raw.columns:
        values = raw[LABEL]
        words = values.cast(pl.String).str.strip_chars().str.to_lowercase()
        empty, positive = absent(values, "number"), words.is_in(TRUE)
        bad = ~(positive | words.is_in(FALSE)).fill_null(False) & ~empty
        refuse(bad, values, locations, rows, "1 or 0", further_columns(config)[LABEL], todo)
        typed[LABEL] = positive.cast(pl.Int8).set(empty, None)
    if BEHAVIOUR in raw.columns:
        typed[BEHAVIOUR] = as_id(raw[BEHAVIOUR])
    return pl.DataFrame([values.alias(name) for name, values in typed.items()])


def check_further(events: pl.DataFrame, config: DataConfig, where: Path) -> None:
    """Checks that a log has every optional column of the config.

    Args:
        events: the log's frame.
        config: the settings.
        where: the file or dataset of the log, for messages.

    Raises:
        UserError: a column or behaviour is missing; the message names the setting.
    """
    for name, column in further_columns(config).items():
        if name not in events.columns:
            got = f"a source {config.source!r}, which has none"
            raise input_error(where, f"a column {column!r}", got, f"unset data.{name}")
    if config.label and config.label.column is None and "rating" not in events.columns:
        todo = "unset data.label"
        raise input_error(where, "ratings, for data.label.rating_at_least", "none", todo)
    if config.behaviour:
        _check_behaviours(events[BEHAVIOUR], config.behaviour, where)


def _check_behaviours(values: pl.Series, chosen: BehaviourConfig, where: Path) -> None:
    names = values.unique().sort().to_list()
    if len(names) > MOST:
        expected = f"at most {MOST} behaviours in column {chosen.column!r}"
        raise input_error(where, expected, f"{len(names):,}", "name another column")
    for key, wanted in (("targets", chosen.targets), ("weights", chosen.weights)):
        if unknown := next((name for name in wanted if name not in names), None):
            expected = f"events of the behaviour {unknown!r} in column {chosen.column!r}"
            todo = f"{did_you_mean(unknown, names)} (set data.behaviour.{key})"
            raise input_error(where, expected, "none", todo)


def event_columns(events: pl.DataFrame, order: np.ndarray, config: DataConfig) -> dict[str, Any]:
    """The fields ``context``, ``labels`` and ``behaviours`` of
    :class:`~p5rec.core.types.Interactions`.

    Args:
        events: the log's frame, after all filters.
        order: ``(E,)`` the rows of the frame in the order of the events.
        config: the types of the columns.
    """
    events = events.select(pl.exclude("row", "user", "item", "time")).select(pl.all().gather(order))
    context: dict[str, Context] = {}
    for name, each in context_of(config).items():
        values = events[CONTEXT + name]
        if each.kind == "number":
            context[name] = values.fill_null(float("nan")).to_numpy()
        else:
            context[name] = Categories(*_coded(values))
    return {
        "context": context,
        "labels": _labels(events, config),
        "behaviours": config.behaviour and _behaviours(events[BEHAVIOUR], config.behaviour),
    }


def _labels(events: pl.DataFrame, config: DataConfig) -> np.ndarray | None:
    if config.label is None:
        return None
    if (least := config.label.rating_at_least) is None:
        labels = events[LABEL].fill_null(-1)
    else:
        rating = events["rating"].fill_nan(None)
        labels = (rating >= np.float32(least)).cast(pl.Int8).fill_null(-1)
    return labels.to_numpy()


def _behaviours(values: pl.Series, chosen: BehaviourConfig) -> Behaviours:
    codes, names = _coded(values)
    names = tuple(
        dict.fromkeys([*names, *sorted(chosen.targets)])
    )  # filters may have dropped all targets
    weights = tuple(chosen.weights.get(name, 1.0) for name in names)
    return Behaviours(codes.astype(np.int8), names, tuple(sorted(set(chosen.targets))), weights)


def _coded(values: pl.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """``(E,)`` int32 indices into the sorted values, -1 for null; and the values."""
    names = values.drop_nulls().unique().sort()
    codes = values.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(-1)
    return codes.to_numpy(), tuple(names.to_list())


def context_summary(columns: Mapping[str, Context]) -> dict[str, dict[str, int]]:
    """For each context column: the number of events without a value, and of distinct values."""
    summary = {}
    for name, column in columns.items():
        if isinstance(column, Categories):
            missing, values = int((column.codes < 0).sum()), len(column.values)
        else:
            known = column[~np.isnan(column)]
            missing, values = len(column) - len(known), len(np.unique(known))
        summary[name] = {"missing": missing, "values": values}
    return summary
