"""Statistics of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from p5rec.core.features import Behaviours, Categories, Context
from p5rec.core.terminal import printable
from p5rec.core.types import SPLITS, Corpus

from .split import baskets_of

MAX_VALUES = 5  # values of a category
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


def describe(corpus: Corpus, *, ordinal: bool = False) -> dict[str, Any]:
    """Counts, shape and split of ``corpus``, as plain data.

    Args:
        corpus: a prepared corpus.
        ordinal: whether its times are positions, without dates and ties.

    Returns:
        ``density``: the share of user-item pairs with an event. ``repeated_pairs``: target events
        of a user with an item after the first. ``tied_times``: the share of events that share user
        and second with another. ``baskets``: the number of baskets of target events; in a corpus
        without baskets, a user's events of one second form one. ``positive``: the share of labelled
        events with label 1. ``cold_test_events``: test events whose item has no training event.
        ``new_test_users``: test users without a training event.
    """
    log, split = corpus.interactions, corpus.split
    pairs = log.users.astype(np.int64) * log.n_items + log.items
    distinct, target_pairs = np.unique(pairs), pairs[log.is_target]
    train, test = split.mask("train"), split.mask("test")
    per_item = np.bincount(log.items[train], minlength=log.n_items)
    per_user = np.bincount(log.users[train], minlength=log.n_users)
    _, sizes = np.unique(baskets_of(log)[log.is_target], return_counts=True)
    return {
        "users": log.n_users,
        "items": log.n_items,
        "events": len(log),
        "density": len(distinct) / max(1, log.n_users * log.n_items),
        "repeated_pairs": len(target_pairs) - len(np.unique(target_pairs)),
        "events_per_user": _quantiles(np.diff(log.offsets)),
        "events_per_item": _quantiles(np.bincount(log.items, minlength=log.n_items)),
        "times": None if ordinal else _span(log.times),
        "tied_times": 0.0 if ordinal else tied_share(log.users, log.times),
        "baskets": len(sizes),
        "events_per_basket": _quantiles(sizes),
        "ratings": None
        if log.ratings is None
        else _histogram(log.ratings[np.isfinite(log.ratings)]),
        "texts": sorted(log.texts),
        "attributes": list(corpus.catalog.attributes),
        "user_attributes": list(corpus.users.attributes),
        **{f"context {name}": _column(column) for name, column in log.context.items()},
        "labels": None if log.labels is None else _labels(log.labels),
        "behaviours": None if log.behaviours is None else _behaviours(log.behaviours),
        "split": {
            "name": split.name,
            **{split_name: int(split.mask(split_name).sum()) for split_name in SPLITS},
            **({} if split.profile is None else {"profile": int(split.profile.sum())}),
        },
        "cold_test_events": int((per_item[log.items[test]] == 0).sum()),
        "new_test_users": int((per_user[np.unique(log.users[test])] == 0).sum()),
    }


def as_lines(description: dict[str, Any]) -> list[str]:
    """The description as text: one aligned line per statistic."""
    rows: list[tuple[str, str]] = []
    for name, value in description.items():
        if isinstance(value, dict):
            text = "  ".join(f"{key} {_number(each)}" for key, each in value.items())
        elif isinstance(value, list):
            text = ", ".join(map(str, value)) or "none"
        else:
            text = "none" if value is None else _number(value)
        rows.append((name.replace("_", " "), printable(text)))
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def dropped_notes(summary: Mapping[str, Any]) -> list[str]:
    """Report notes on dropped rows of the log."""
    dropped = summary["dropped"]
    reasons = {
        "incomplete": "rows of the log lack a user, item, time or rating: dropped.",
        "missing_items": "events have items that the item table lacks: dropped.",
    }
    return [f"{dropped[name]:,} {text}" for name, text in reasons.items() if dropped.get(name)]


def user_table_notes(summary: Mapping[str, Any]) -> list[str]:
    """Report notes on users that only the log or only the user table has."""
    counts = summary["user_table"] or {}
    reasons = {
        "users_without_row": "users of the log have no row in the user table: they have no "
        "attributes.",
        "rows_without_user": "rows of the user table have no user in the log: dropped.",
    }
    return [f"{counts[name]:,} {text}" for name, text in reasons.items() if counts.get(name)]


def behaviour_notes(summary: Mapping[str, Any]) -> list[str]:
    """Report note on the target behaviours, if the log has several behaviours."""
    roles = summary["behaviours"]
    if roles is None:
        return []
    targets = f"Events of {_enumeration(roles['targets'])} are recommended and held out"
    others = _enumeration(roles["history"]) if roles["history"] else ""
    rest = f"; events of {others} only appear in histories" if others else ""
    return [f"{targets}{rest}."]


def _enumeration(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def repeat_notes(summary: Mapping[str, Any], dedupe: str) -> list[str]:
    """Report notes on repeated events: one sentence for each kind of repeat."""
    counts = summary["repeats"]
    exact, copied = counts["exact"], counts["copied_reviews"]
    notes = []
    if exact:
        notes.append(
            f"{exact:,} rows of the log equal an earlier one in user, item and time, "
            f"{counts['of_them_differing']:,} of them with another rating or text: "
            + ("not dropped." if dedupe == "none" else "dropped.")
        )
    if copied:
        notes.append(
            f"{copied:,} further rows repeat a review that the user wrote at the same time for "
            "another item: "
            + ("dropped." if dedupe == "review" else f"not dropped (data.dedupe: {dedupe}).")
        )
    return notes


def tied_share(users: np.ndarray, times: np.ndarray) -> float:
    """The share of events that share user and time with another; both ``(E,)``, sorted."""
    same = (np.diff(users) == 0) & (np.diff(times) == 0)
    tied = np.zeros(len(users), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    return float(tied.mean()) if len(tied) else 0.0


def _column(column: Context) -> dict[str, float]:
    """Quantiles or value counts of a context column, and the number of events without a value."""
    if not isinstance(column, Categories):
        known = column[~np.isnan(column)]
        return {**_quantiles(known), "unknown": len(column) - len(known)}
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    most = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    frequent = {column.values[code]: int(counts[code]) for code in most.tolist()}
    if rest := int(counts.sum()) - sum(frequent.values()):
        frequent[f"{len(counts) - len(most):,} more"] = rest
    return {**frequent, "unknown": int((column.codes < 0).sum())}


def _labels(labels: np.ndarray) -> dict[str, float]:
    known = labels >= 0
    rate = float((labels[known] == 1).mean()) if known.any() else 0.0
    return {"labelled": int(known.sum()), "unknown": int((~known).sum()), "positive": rate}


def _behaviours(behaviours: Behaviours) -> dict[str, int]:
    """The number of events of each behaviour; targets are marked."""
    counts = np.bincount(behaviours.codes, minlength=len(behaviours.names))
    return {
        name + " (target)" * (name in behaviours.targets): int(count)
        for name, count in zip(behaviours.names, counts, strict=True)
    }


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    values = np.quantile(counts, list(QUANTILES.values())) if len(counts) else np.zeros(5)
    return dict(zip(QUANTILES, map(float, values), strict=True))


def _span(times: np.ndarray) -> dict[str, str]:
    first, last = (datetime.fromtimestamp(int(t), UTC) for t in (times.min(), times.max()))
    return {"first": f"{first:%Y-%m-%d}", "last": f"{last:%Y-%m-%d}"}


def _histogram(ratings: np.ndarray) -> dict[str, int]:
    """Counts per value, or per tenth of the range if there are more than 20 values."""
    values, counts = np.unique(ratings, return_counts=True)
    if len(values) > 20:
        counts, edges = np.histogram(ratings, bins=10)
        values = edges[:-1]
    return {f"{value:g}": int(count) for value, count in zip(values, counts, strict=True)}


def _number(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
