"""Leaks 2 and 3 in side information: item attributes and user profiles made from all events.

A text that mentions a held-out target is a leak if it does so more often than it mentions targets
of other users, and about as often as it mentions items of training events. A text written from
training events alone mentions the latter only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN, Corpus
from p5rec.data.cells import as_id
from p5rec.data.known import read_columns, row_numbers

from .findings import MAX_EVIDENCE, MIN_COUNT, Finding, evidence_of, too_many
from .repeats import plain

PERMUTATIONS = 20  # random permutations of the targets
MAX_PAIRS = 20_000  # larger data sets are sampled
MIN_LENGTH = 8  # characters of a one-word name that is unlikely by accident
MIN_RATIO = 0.25  # of the rate at which training items are mentioned
RELATED = 0.1  # tolerated rate of mentions, as related items have similar names


@dataclass(frozen=True, eq=False)
class Names:
    """The names of items in texts, as plain words; "" where a name is too short to search for."""

    ids: list[str]
    titles: list[str]

    @classmethod
    def of(cls, corpus: Corpus) -> Names:
        """Titles of two words or ``MIN_LENGTH`` characters, and ids that are more than a number."""
        catalog = corpus.catalog
        ids = [f" {plain(i)} " if not i.isdigit() and len(i) > 1 else "" for i in catalog.ids]
        titles = [plain(title) for title in catalog.titles]
        return cls(ids, [f" {t} " if " " in t or len(t) >= MIN_LENGTH else "" for t in titles])

    def named(self, text: str, item: int, others: Callable[[], Sequence[int]] = tuple) -> bool:
        """Whether ``text``, as plain words between spaces, mentions the item.

        Args:
            text: the text.
            item: the item's row number.
            others: items whose titles are removed from the text where they contain this one's.
        """
        title = self.titles[item]
        if title and title in text:
            for other in others():
                longer = self.titles[other]
                if title in longer:
                    text = text.replace(longer, "  ")
            if title in text:
                return True
        return bool(self.ids[item]) and self.ids[item] in text


def audit_attributes(corpus: Corpus) -> Iterator[Finding]:
    """Audits item attributes that count held-out events or mention users' next items."""
    yield from _statistics(corpus)
    log, attributes = corpus.interactions, corpus.catalog.attributes
    before = np.flatnonzero((np.diff(log.users) == 0) & (np.diff(log.items) != 0))
    names = Names.of(corpus)
    for name in attributes:
        texts = [f" {plain(' , '.join(v))} " for v in corpus.catalog.values(name)]
        if any(" " in text.strip() or len(text) > 2 for text in texts):
            source = f"the item attribute {name!r} of the item before"
            yield from _names_targets(
                corpus, names, before + 1, texts, log.items[before], source, RELATED
            )


def audit_profiles(corpus: Corpus, path: Path) -> Iterator[Finding]:
    """Audits a table of user profiles, with a column ``user`` and text columns.

    Users without events are left out.

    Raises:
        UserError: the table cannot be read, or none of its users has events.
    """
    table = read_columns(path, ["user"], None)
    others = [name for name in table.columns if name not in ("row", "user")]
    table = table.filter(as_id(table["user"]).is_in(list(corpus.user_ids)))
    if not len(table):
        raise input_error(path, "users of the log", "none of them", "check the column user")
    rows = row_numbers(table["user"], corpus.user_ids, "user", path, table["row"])
    names, log = Names.of(corpus), corpus.interactions
    text_of = np.full(log.n_users, -1)
    text_of[rows] = np.arange(len(rows))
    events = np.flatnonzero(text_of[log.users] >= 0)
    for column in others:
        texts = [f" {plain(str(v))} " if v is not None else "" for v in table[column].to_list()]
        source = f"the column {column!r} of {path}"
        yield from _names_targets(corpus, names, events, texts, text_of[log.users[events]], source)


def _names_targets(
    corpus: Corpus,
    names: Names,
    events: np.ndarray,
    texts: Sequence[str],
    text_of_event: np.ndarray,
    source: str,
    min_rate: float = 0.0,
) -> Iterator[Finding]:
    """Whether the text of an event mentions the event's item.

    Args:
        events: ``(n,)`` event rows with a text.
        texts: plain texts, between spaces.
        text_of_event: ``(n,)`` the index of each event's text.
        source: description of the texts, for messages.
        min_rate: share of targets that a leaking text must mention.
    """
    splits = corpus.split.of_event[events]
    log, rng = corpus.interactions, derive_rng(0, "audit", source)
    held, trained = (_some(np.flatnonzero(m), rng) for m in (splits > TRAIN, splits == TRAIN))
    items = log.items[events]

    def hits(at: np.ndarray, items: np.ndarray) -> np.ndarray:
        pairs = zip(at.tolist(), items.tolist(), strict=True)
        return np.array(
            [
                names.named(texts[text_of_event[n]], item, partial(_past, corpus, events[n]))
                for n, item in pairs
            ],
            dtype=bool,
        )

    named = hits(held, items[held])
    if not named.any():
        return
    permuted = [hits(held, items[rng.permutation(held)]).sum() for _ in range(PERMUTATIONS)]
    if not too_many(int(named.sum()), max(float(np.mean(permuted)), 1 / PERMUTATIONS)):
        return
    usual = float(hits(trained, items[trained]).mean()) if len(trained) else 0.0
    leak = named.mean() >= max(MIN_RATIO * usual, min_rate)
    severity: Literal["leak", "warning"] = "leak" if leak else "warning"
    first = held[named][:MAX_EVIDENCE]
    yield Finding(
        severity,
        "2 target in a text",
        f"{source} mentions {named.mean():.1%} of {len(held):,} held-out targets (targets of "
        f"others: {np.mean(permuted) / len(held):.1%}; training items: {usual:.1%}): "
        + ("it was made from held-out events" if leak else "check that it uses no held-out event"),
        {
            "named": float(named.mean()),
            "others": float(np.mean(permuted) / len(held)),
            "usual": usual,
        },
        evidence_of(
            corpus, events[first], {"text": [texts[n].strip()[:200] for n in text_of_event[first]]}
        ),
    )


def _some(events: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (
        events
        if len(events) <= MAX_PAIRS
        else np.sort(rng.choice(events, MAX_PAIRS, replace=False))
    )


def _past(corpus: Corpus, event: np.int64) -> list[int]:
    """Items of the user's earlier events."""
    log = corpus.interactions
    past: list[int] = log.items[log.offsets[log.users[event]] : event].tolist()
    return past


def _statistics(corpus: Corpus) -> Iterator[Finding]:
    """Leak 3: a number in the item table that equals a statistic of all events."""
    train = corpus.split.mask("train")
    for name in corpus.catalog.attributes:
        column = pl.Series(corpus.catalog.table.column(name).to_pylist(), strict=False)
        if not column.dtype.is_numeric():
            continue
        numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        for what, (overall, trained) in _statistics_of(corpus, train).items():
            differ = np.isfinite(numbers) & (np.abs(overall - trained) > 1e-6)
            close = differ & (np.abs(numbers - overall) <= 1e-3 * np.maximum(1, np.abs(overall)))
            if differ.sum() >= MIN_COUNT and close.sum() >= 0.5 * differ.sum():
                rows = np.flatnonzero(close)[:MAX_EVIDENCE].tolist()
                yield Finding(
                    "leak",
                    "3 statistics of all events",
                    f"the item attribute {name!r} equals the {what} over all events, held-out ones "
                    f"included, for {close.sum():,} of the {differ.sum():,} items where training "
                    "events alone give another value: count training events only",
                    {"items": float(close.sum())},
                    tuple(
                        {"item": corpus.catalog.ids[i], name: f"{numbers[i]:g}",
                         "all": f"{overall[i]:g}", "training": f"{trained[i]:g}"}
                        for i in rows
                    ),
                )  # fmt: skip
                break


def _statistics_of(
    corpus: Corpus, train: np.ndarray
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Statistics of each item ``(N,)`` over all events, and over training events."""
    log, N = corpus.interactions, corpus.interactions.n_items
    counts = [np.bincount(log.items[m], minlength=N) for m in (np.ones_like(train), train)]
    statistics = {"number of events": (counts[0].astype(float), counts[1].astype(float))}
    if log.ratings is not None:
        ratings = np.nan_to_num(log.ratings)
        sums = [np.bincount(log.items[m], ratings[m], N) for m in (np.ones_like(train), train)]
        means = [s / np.maximum(1, c) for s, c in zip(sums, counts, strict=True)]
        statistics["mean rating"] = (means[0], means[1])
    return statistics
