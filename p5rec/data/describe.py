"""A corpus in numbers, before anything is learned from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from p5rec.core.terminal import printable
from p5rec.core.types import PARTS, Corpus

from .split import baskets_of

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


def describe(corpus: Corpus, *, ordinal: bool = False) -> dict[str, Any]:
    """Counts, shape and split of ``corpus``, as plain data.

    Args:
        corpus: a prepared corpus.
        ordinal: its times are positions, so they have no dates and no ties.

    Returns:
        ``density`` is the share of user-item pairs with an event; ``tied_times`` the share of
        events that share user and second with another; ``baskets`` are those of the corpus, or a
        user's events of one second where it has none; ``cold_test_events`` are test events whose
        item has no training event, ``new_test_users`` test users without one.
    """
    log, split = corpus.interactions, corpus.split
    pairs = np.unique(log.users.astype(np.int64) * log.n_items + log.items)
    train, test = split.mask("train"), split.mask("test")
    per_item = np.bincount(log.items[train], minlength=log.n_items)
    per_user = np.bincount(log.users[train], minlength=log.n_users)
    baskets = baskets_of(log)
    return {
        "users": log.n_users,
        "items": log.n_items,
        "events": len(log),
        "density": len(pairs) / max(1, log.n_users * log.n_items),
        "repeated_pairs": len(log) - len(pairs),
        "events_per_user": _quantiles(np.diff(log.offsets)),
        "events_per_item": _quantiles(np.bincount(log.items, minlength=log.n_items)),
        "times": None if ordinal else _span(log.times),
        "tied_times": 0.0 if ordinal else tied_share(log.users, log.times),
        "baskets": int(baskets[-1]) + 1 if len(log) else 0,
        "events_per_basket": _quantiles(np.bincount(baskets)),
        "ratings": None if log.ratings is None else _histogram(log.ratings),
        "texts": sorted(log.texts),
        "attributes": list(corpus.catalog.attributes),
        "split": {"name": split.name, **{part: int(split.mask(part).sum()) for part in PARTS}},
        "cold_test_events": int((per_item[log.items[test]] == 0).sum()),
        "new_test_users": int((per_user[np.unique(log.users[test])] == 0).sum()),
    }


def as_lines(description: dict[str, Any]) -> list[str]:
    """A description for people: one aligned line a fact."""
    rows: list[tuple[str, str]] = []
    for name, value in description.items():
        if isinstance(value, dict):
            text = "  ".join(f"{key} {_number(part)}" for key, part in value.items())
        elif isinstance(value, list):
            text = ", ".join(map(str, value)) or "none"
        else:
            text = "none" if value is None else _number(value)
        rows.append((name.replace("_", " "), printable(text)))
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def dropped_told(summary: Mapping[str, Any]) -> list[str]:
    """What a report's reader must know of rows that the log lost for what they lack."""
    dropped = summary["dropped"]
    why = {
        "incomplete": "rows of the log lack a user, item, time or rating: dropped.",
        "missing_items": "events are of items that the item table lacks: dropped.",
    }
    return [f"{dropped[name]:,} {words}" for name, words in why.items() if dropped.get(name)]


def repeats_told(summary: Mapping[str, Any], dedupe: str) -> list[str]:
    """What a report's reader must know of a prepared corpus's repeats: a sentence a kind."""
    counts = summary["repeats"]
    exact, copied = counts["exact"], counts["copied_reviews"]
    told = []
    if exact:
        told.append(
            f"{exact:,} rows of the log equal an earlier one in user, item and time, "
            f"{counts['of_them_differing']:,} of them with another rating or text: "
            + ("kept." if dedupe == "none" else "dropped.")
        )
    if copied:
        told.append(
            f"{copied:,} further rows hold a review that its user wrote at the same moment, word "
            "for word, of another item: "
            + ("dropped." if dedupe == "review" else f"not dropped (data.dedupe: {dedupe}).")
        )
    return told


def tied_share(users: np.ndarray, times: np.ndarray) -> float:
    """Share of events that have another of the same user and time; both ``(E,)``, in order."""
    same = (np.diff(users) == 0) & (np.diff(times) == 0)
    tied = np.zeros(len(users), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    return float(tied.mean()) if len(tied) else 0.0


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    values = np.quantile(counts, list(QUANTILES.values())) if len(counts) else np.zeros(5)
    return dict(zip(QUANTILES, map(float, values), strict=True))


def _span(times: np.ndarray) -> dict[str, str]:
    first, last = (datetime.fromtimestamp(int(t), UTC) for t in (times.min(), times.max()))
    return {"first": f"{first:%Y-%m-%d}", "last": f"{last:%Y-%m-%d}"}


def _histogram(ratings: np.ndarray) -> dict[str, int]:
    """Counts per value, or per tenth of the range where there are more than 20 values."""
    values, counts = np.unique(ratings, return_counts=True)
    if len(values) > 20:
        counts, edges = np.histogram(ratings, bins=10)
        values = edges[:-1]
    return {f"{value:g}": int(count) for value, count in zip(values, counts, strict=True)}


def _number(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
