"""Leak 4: order by id instead of time, and held-out events that are not the latest."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import polars as pl

from p5rec.core.types import TRAIN, Corpus
from p5rec.data.describe import tied_share
from p5rec.data.split import UNUSED

from .chronology import ranks_of_ids
from .findings import LEAST, SHOWN, Finding, shown

BASKETS = (
    ": data.baskets: true takes them as sets (data.columns.basket names the column of an order's "
    "id), data.split: last-basket holds out a user's last basket"
)


def audit_order(corpus: Corpus, *, ordinal: bool) -> Iterator[Finding]:
    """Order of a corpus; ``ordinal``: its times are positions, so they have no ties."""
    ranks = ranks_of_ids(corpus.catalog.ids)
    yield from _sorted_by_id(corpus, ranks)
    yield from _split(corpus)
    if not ordinal:
        yield from _ties(corpus, ranks)
        yield from _times(corpus)


def audit_file_order(events: pl.DataFrame) -> Iterator[Finding]:
    """Ties of a log in the order of its file, which a stable sort would keep.

    Args:
        events: see :class:`~p5rec.data.rawlog.RawLog`.
    """
    rows = events.sort("user", "time", "row")
    items = rows["item"].unique().sort()
    ranks = ranks_of_ids(items.to_list())[
        rows["item"].cast(pl.Enum(items)).to_physical().to_numpy()
    ]
    users = rows["user"].rle_id().to_numpy()
    at, rising = _tied(users, rows["time"].to_numpy(), ranks)
    if len(at) >= LEAST and max(rising, 1 - rising) >= 0.9:
        share = tied_share(users, rows["time"].to_numpy())
        columns = ("user", "item", "row")
        yield Finding(
            "warning",
            "4 ties by id in the file",
            f"{rising:.0%} of {len(at):,} neighbouring rows of one user and moment ascend in item "
            f"id, and {share:.1%} of the events are in such ties: whoever sorts this file by time "
            "has them by id; here a seeded shuffle breaks them",
            {"rising": rising, "pairs": float(len(at)), "share": share},
            tuple(rows.select(columns)[at[:SHOWN].tolist()].iter_rows(named=True)),
        )


def _tied(users: np.ndarray, times: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, float]:
    """Of events ``(E,)`` in order: those tied with the one before, and how many of them ascend."""
    step = np.diff(ranks)
    tied = (np.diff(users) == 0) & (np.diff(times) == 0) & (step != 0)
    return np.flatnonzero(tied) + 1, float((step[tied] > 0).mean()) if tied.any() else 0.5


def _sorted_by_id(corpus: Corpus, ranks: np.ndarray) -> Iterator[Finding]:
    log = corpus.interactions
    long = np.diff(log.offsets) >= 5
    inside = np.diff(log.users) == 0
    falls = inside & (np.diff(ranks[log.items]) < 0)
    ascending = long & (np.bincount(log.users[1:][falls], minlength=log.n_users) == 0)
    share = float(ascending.sum() / max(1, long.sum()))
    if long.sum() >= LEAST and share >= 0.5:
        yield Finding(
            "leak",
            "4 sequences by id",
            f"{share:.0%} of the {long.sum():,} users with 5 or more events have them in ascending "
            "order of item id: the order is not that of time, so the next item can be guessed",
            {"share": share, "users": float(long.sum())},
            shown(corpus, np.flatnonzero(log.users == np.flatnonzero(ascending)[0])),
        )


def _ties(corpus: Corpus, ranks: np.ndarray) -> Iterator[Finding]:
    log = corpus.interactions
    at, rising = _tied(log.users, log.times, ranks[log.items])
    if len(at) < LEAST:
        return
    share = tied_share(log.users, log.times)
    numbers = {"rising": rising, "pairs": float(len(at)), "share": share}
    lean = abs(rising - 0.5)
    if lean >= max(0.1, 2 / np.sqrt(len(at))):  # 4 standard errors of a fair coin
        yield Finding(
            "leak" if lean >= 0.4 else "warning",
            "4 ties by id",
            f"{rising:.0%} of {len(at):,} neighbouring events of one user and moment ascend in "
            f"item id (a fair order has half), and {share:.1%} of the events are in such ties: "
            "break ties by a seeded shuffle",
            numbers,
            shown(corpus, at),
        )
    if share >= 0.5:
        yield Finding(
            "note",
            "4 ties",
            f"{share:.0%} of the events share user and moment with another; their order is a "
            "seeded shuffle and carries no information"
            + ("" if log.baskets is not None else BASKETS),
            {"share": share},
        )


def _split(corpus: Corpus) -> Iterator[Finding]:
    """Events of an earlier part that come after, or are later than, one of a later part."""
    log, parts = corpus.interactions, corpus.split.of_event
    used = np.flatnonzero(parts != UNUSED)
    users, times, order = log.users[used], log.times[used], parts[used]
    early = np.zeros(len(used), dtype=bool)
    early[1:] = (np.diff(users) == 0) & (np.diff(order) < 0)
    never = np.iinfo(np.int64).max
    for part in range(TRAIN, int(order.max(initial=TRAIN))):
        first = np.full(log.n_users, never)
        np.minimum.at(first, users[order > part], times[order > part])
        early |= (order == part) & (times > first[users])
    if early.any():
        yield Finding(
            "leak",
            "split against time",
            f"{early.sum():,} events come after a held-out event of the same user but belong to an "
            "earlier part: the future is in the training data",
            {"events": float(early.sum())},
            shown(corpus, used[early]),
        )
    back = np.flatnonzero((np.diff(log.users) == 0) & (np.diff(log.times) < 0)) + 1
    if len(back):
        yield Finding(
            "leak",
            "4 order against time",
            f"{len(back):,} events stand after a later one of the same user: histories are not in "
            "the order of time",
            {"events": float(len(back))},
            shown(corpus, back),
        )


def _times(corpus: Corpus) -> Iterator[Finding]:
    times = corpus.interactions.times
    wrong = np.flatnonzero((times <= 0) | (times > time.time() + 86_400))
    if len(wrong):
        yield Finding(
            "warning",
            "impossible times",
            f"{len(wrong):,} events lie at or before 1970 or in the future; check data.time_format",
            {"events": float(len(wrong))},
            shown(corpus, wrong),
        )
