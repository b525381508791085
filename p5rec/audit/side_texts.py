"""Leaks 2 and 3 in what lies beside the log: item attributes and user profiles made of all events.

A text that names a held-out target is a fault only if it does so more often than it names targets
of other users, and about as often as it names what trained: what was written from training events
alone names those.
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
from p5rec.data.known import known_rows, read_columns

from .findings import LEAST, SHOWN, Finding, shown, too_many
from .repeats import plain

DEALS = 20  # targets dealt out anew
PAIRS = 20_000  # looked at
SHORTEST = 8  # characters of a name that no text holds by accident
AS_OFTEN = 0.25  # of the rate at which training items are named
ALIKE = 0.1  # of the targets may be named because items that go together are called alike


@dataclass(frozen=True, eq=False)
class Names:
    """What an item may be called in a text, in plain words; "" where a name says nothing."""

    ids: list[str]
    titles: list[str]

    @classmethod
    def of(cls, corpus: Corpus) -> Names:
        """Titles of two words or ``SHORTEST`` characters, and ids that are more than a number."""
        catalog = corpus.catalog
        ids = [f" {plain(i)} " if not i.isdigit() and len(i) > 1 else "" for i in catalog.ids]
        titles = [plain(title) for title in catalog.titles]
        return cls(ids, [f" {t} " if " " in t or len(t) >= SHORTEST else "" for t in titles])

    def named(self, text: str, item: int, beside: Callable[[], Sequence[int]] = tuple) -> bool:
        """Whether ``text``, plain and between spaces, names the item.

        Args:
            beside: items whose titles may hold this one's, or be it; they are taken out then.
        """
        title = self.titles[item]
        if title and title in text:
            for other in beside():
                longer = self.titles[other]
                if title in longer:
                    text = text.replace(longer, "  ")
            if title in text:
                return True
        return bool(self.ids[item]) and self.ids[item] in text


def audit_attributes(corpus: Corpus) -> Iterator[Finding]:
    """Item attributes that count held-out events, or that name what their users take next."""
    yield from _statistics(corpus)
    log, attributes = corpus.interactions, corpus.catalog.attributes
    before = np.flatnonzero((np.diff(log.users) == 0) & (np.diff(log.items) != 0))
    names = Names.of(corpus)
    for name in attributes:
        texts = [f" {plain(' , '.join(v))} " for v in corpus.catalog.values(name)]
        if any(" " in text.strip() or len(text) > 2 for text in texts):
            what = f"the item attribute {name!r} of the item before"
            yield from _names_targets(
                corpus, names, before + 1, texts, log.items[before], what, ALIKE
            )


def audit_profiles(corpus: Corpus, path: Path) -> Iterator[Finding]:
    """Texts of users, in a table with a column ``user`` and any others.

    Users that the log lacks are left out.

    Raises:
        UserError: the table cannot be read, or the log has none of its users.
    """
    table = read_columns(path, ["user"], None)
    others = [name for name in table.columns if name not in ("row", "user")]
    table = table.filter(as_id(table["user"]).is_in(list(corpus.user_ids)))
    if not len(table):
        raise input_error(path, "users of the log", "none of them", "check the column user")
    rows = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    names, log = Names.of(corpus), corpus.interactions
    text_of = np.full(log.n_users, -1)
    text_of[rows] = np.arange(len(rows))
    events = np.flatnonzero(text_of[log.users] >= 0)
    for column in others:
        texts = [f" {plain(str(v))} " if v is not None else "" for v in table[column].to_list()]
        what = f"the column {column!r} of {path}"
        yield from _names_targets(corpus, names, events, texts, text_of[log.users[events]], what)


def _names_targets(
    corpus: Corpus,
    names: Names,
    events: np.ndarray,
    texts: Sequence[str],
    beside: np.ndarray,
    what: str,
    least: float = 0.0,
) -> Iterator[Finding]:
    """Whether a text beside an event names the item of that event.

    Args:
        events: ``(n,)`` event rows that have such a text.
        texts: plain texts, between spaces.
        beside: ``(n,)`` the text beside each event.
        what: the texts, for people.
        least: share of targets that a text which leaks must name.
    """
    parts = corpus.split.of_event[events]
    log, rng = corpus.interactions, derive_rng(0, "audit", what)
    held, trained = (_some(np.flatnonzero(m), rng) for m in (parts > TRAIN, parts == TRAIN))
    items = log.items[events]

    def hits(asked: np.ndarray, items: np.ndarray) -> np.ndarray:
        pairs = zip(asked.tolist(), items.tolist(), strict=True)
        return np.array(
            [
                names.named(texts[beside[at]], item, partial(_past, corpus, events[at]))
                for at, item in pairs
            ],
            dtype=bool,
        )

    named = hits(held, items[held])
    if not named.any():
        return
    deals = [hits(held, items[rng.permutation(held)]).sum() for _ in range(DEALS)]
    if not too_many(int(named.sum()), max(float(np.mean(deals)), 1 / DEALS)):
        return
    usual = float(hits(trained, items[trained]).mean()) if len(trained) else 0.0
    leak = named.mean() >= max(AS_OFTEN * usual, least)
    severity: Literal["leak", "warning"] = "leak" if leak else "warning"
    first = held[named][:SHOWN]
    yield Finding(
        severity,
        "2 target in a text",
        f"{what} names {named.mean():.1%} of {len(held):,} held-out targets (those of others: "
        f"{np.mean(deals) / len(held):.1%}; training items: {usual:.1%}): "
        + ("it was made from held-out events too" if leak else "find out what it was made from"),
        {"named": float(named.mean()), "others": float(np.mean(deals) / len(held)), "usual": usual},
        shown(corpus, events[first], {"text": [texts[n].strip()[:200] for n in beside[first]]}),
    )


def _some(events: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return events if len(events) <= PAIRS else np.sort(rng.choice(events, PAIRS, replace=False))


def _past(corpus: Corpus, event: np.int64) -> list[int]:
    """Items of the user's earlier events."""
    log = corpus.interactions
    past: list[int] = log.items[log.offsets[log.users[event]] : event].tolist()
    return past


def _statistics(corpus: Corpus) -> Iterator[Finding]:
    """3: a number in the item table that equals a statistic of all events."""
    train = corpus.split.mask("train")
    for name in corpus.catalog.attributes:
        column = pl.Series(corpus.catalog.table.column(name).to_pylist(), strict=False)
        if not column.dtype.is_numeric():
            continue
        told = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        for what, (whole, trained) in _figures(corpus, train).items():
            differ = np.isfinite(told) & (np.abs(whole - trained) > 1e-6)
            close = differ & (np.abs(told - whole) <= 1e-3 * np.maximum(1, np.abs(whole)))
            if differ.sum() >= LEAST and close.sum() >= 0.5 * differ.sum():
                rows = np.flatnonzero(close)[:SHOWN].tolist()
                yield Finding(
                    "leak",
                    "3 statistics of all events",
                    f"the item attribute {name!r} equals the {what} over all events, held-out ones "
                    f"included, for {close.sum():,} of the {differ.sum():,} items where training "
                    "events alone give another: count training events only",
                    {"items": float(close.sum())},
                    tuple(
                        {"item": corpus.catalog.ids[i], name: f"{told[i]:g}",
                         "all": f"{whole[i]:g}", "training": f"{trained[i]:g}"}
                        for i in rows
                    ),
                )  # fmt: skip
                break


def _figures(corpus: Corpus, train: np.ndarray) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Figures of each item ``(N,)`` over all events, and over those that train."""
    log, N = corpus.interactions, corpus.interactions.n_items
    counts = [np.bincount(log.items[m], minlength=N) for m in (np.ones_like(train), train)]
    found = {"number of events": (counts[0].astype(float), counts[1].astype(float))}
    if log.ratings is not None:
        given = np.nan_to_num(log.ratings)
        sums = [np.bincount(log.items[m], given[m], N) for m in (np.ones_like(train), train)]
        means = [s / np.maximum(1, c) for s, c in zip(sums, counts, strict=True)]
        found["mean rating"] = (means[0], means[1])
    return found
