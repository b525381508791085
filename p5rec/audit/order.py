"""Leak 4: order by id instead of time, and held-out events that are not the latest ones."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import polars as pl

from p5rec.core.types import TRAIN, Corpus
from p5rec.data.describe import tied_share
from p5rec.data.split import UNUSED

from .chronology import ranks_of_ids
from .findings import MAX_EVIDENCE, MIN_COUNT, Finding, evidence_of

BASKETS = (
    ": data.baskets: true treats them as sets (data.columns.basket names the column of order ids), "
    "data.split: last-basket holds out a user's last basket"
)


def audit_order(corpus: Corpus, *, ordinal: bool) -> Iterator[Finding]:
    """Audits the order of events; ``ordinal``: times are mere positions, so they have no ties."""
    ranks = ranks_of_ids(corpus.catalog.ids)
    yield from _sorted_by_id(corpus, ranks)
    yield from _split(corpus)
    if not ordinal:
        yield from _ties(corpus, ranks)
        yield from _times(corpus)


def audit_file_order(events: pl.DataFrame) -> Iterator[Finding]:
    """Audits ties of a log in the order of its file, which a stable sort preserves.

    Args:
        events: of the log, see :class:`~p5rec.data.rawlog.RawLog`.
    """
    rows = events.sort("user", "time", "row")
    items = rows["item"].unique().sort()
    ranks = ranks_of_ids(items.to_list())[
        rows["item"].cast(pl.Enum(items)).to_physical().to_numpy()
    ]
    users = rows["user"].rle_id().to_numpy()
    at, rising = _tied(users, rows["time"].to_numpy(), ranks)
    if len(at) >= MIN_COUNT and max(rising, 1 - rising) >= 0.9:
        share = tied_share(users, rows["time"].to_numpy())
        columns = ("user", "item", "row")
        yield Finding(
            "warning",
            "4 ties by id in the file",
            f"{rising:.0%} of {len(at):,} adjacent rows with the same user and time ascend in item "
            f"id, and {share:.1%} of the events have such ties: a stable sort by time leaves them "
            "in id order; here a seeded shuffle breaks them",
            {"rising": rising, "pairs": float(len(at)), "share": share},
            tuple(rows.select(columns)[at[:MAX_EVIDENCE].tolist()].iter_rows(named=True)),
        )


def _tied(users: np.ndarray, times: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, float]:
    """Of ordered events ``(E,)``: those tied with the one before, and the share that ascends."""
    step = np.diff(ranks)
    tied = (np.diff(users) == 0) & (np.diff(times) == 0) & (step != 0)
    return np.flatnonzero(tied) + 1, float((step[tied] > 0).mean()) if tied.any() else 0.5


def _sorted_by_id(corpus: Corpus, ranks: np.ndarray) -> Iterator[Finding]:
    log = corpus.interactions
    long = np.diff(log.offsets) >= 5  # histories of users
    inside = np.diff(log.users) == 0
    falls = inside & (np.diff(ranks[log.items]) < 0)
    ascending = long & (np.bincount(log.users[1:][falls], minlength=log.n_users) == 0)
    share = float(ascending.sum() / max(1, long.sum()))
    if long.sum() >= MIN_COUNT and share >= 0.5:
        yield Finding(
            "leak",
            "4 sequences by id",
            f"{share:.0%} of the {long.sum():,} users with 5 or more events have them in ascending "
            "order of item id: this is not the order of time, and it reveals the next item",
            {"share": share, "users": float(long.sum())},
            evidence_of(corpus, np.flatnonzero(log.users == np.flatnonzero(ascending)[0])),
        )


def _ties(corpus: Corpus, ranks: np.ndarray) -> Iterator[Finding]:
    log = corpus.interactions
    at, rising = _tied(log.users, log.times, ranks[log.items])
    if len(at) < MIN_COUNT:
        return
    share = tied_share(log.users, log.times)
    numbers = {"rising": rising, "pairs": float(len(at)), "share": share}
    lean = abs(rising - 0.5)
    if lean >= max(0.1, 2 / np.sqrt(len(at))):  # 4 standard errors of a fair coin
        yield Finding(
            "leak" if lean >= 0.4 else "warning",
            "4 ties by id",
            f"{rising:.0%} of {len(at):,} adjacent events with the same user and time ascend in "
            f"item id (a random order has half), and {share:.1%} of the events have such ties: "
            "break ties by a seeded shuffle",
            numbers,
            evidence_of(corpus, at),
        )
    if share >= 0.5:
        yield Finding(
            "note",
            "4 ties",
            f"{share:.0%} of the events have the same user and time as another event; their order "
            "is a seeded shuffle and carries no information"
            + ("" if log.baskets is not None else BASKETS),
            {"share": share},
        )


def _split(corpus: Corpus) -> Iterator[Finding]:
    """Events of an earlier split that come after an event of a later split."""
    log, splits = corpus.interactions, corpus.split.of_event
    used = np.flatnonzero(splits != UNUSED)
    users, times, order = log.users[used], log.times[used], splits[used]
    early = np.zeros(len(used), dtype=bool)
    early[1:] = (np.diff(users) == 0) & (np.diff(order) < 0)
    latest = np.iinfo(np.int64).max
    for split in range(TRAIN, int(order.max(initial=TRAIN))):
        first = np.full(log.n_users, latest)
        np.minimum.at(first, users[order > split], times[order > split])
        early |= (order == split) & (times > first[users])
    if early.any():
        yield Finding(
            "leak",
            "split against time",
            f"{early.sum():,} events come after a held-out event of the same user but are in an "
            "earlier split: training data has events after the target",
            {"events": float(early.sum())},
            evidence_of(corpus, used[early]),
        )
    back = np.flatnonzero((np.diff(log.users) == 0) & (np.diff(log.times) < 0)) + 1
    if len(back):
        yield Finding(
            "leak",
            "4 order against time",
            f"{len(back):,} events follow a later event of the same user: histories are not in the "
            "order of time",
            {"events": float(len(back))},
            evidence_of(corpus, back),
        )


def _times(corpus: Corpus) -> Iterator[Finding]:
    times = corpus.interactions.times
    wrong = np.flatnonzero((times <= 0) | (times > time.time() + 86_400))
    if len(wrong):
        yield Finding(
            "warning",
            "impossible times",
            f"{len(wrong):,} events have a time before 1970 or in the future; check "
            "data.time_format",
            {"events": float(len(wrong))},
            evidence_of(corpus, wrong),
        )
