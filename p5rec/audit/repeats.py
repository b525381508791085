"""Events and reviews on both sides of the split, and items that are one under two ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
import polars as pl

from p5rec.core.rng import derive_rng
from p5rec.core.types import TEST, TRAIN, Corpus, Histories
from p5rec.data.split import UNUSED, cases, each_target

from .findings import LEAST, Finding, shown, too_many

WORD = re.compile(r"\w+")
PROSE = 30  # characters from which on an equal attribute makes two items one
DEALS = 20
DEEPER = 1.5  # times as often may a longer history hold an item


def audit_repeats(corpus: Corpus) -> Iterator[Finding]:
    """Repeated events, reviews and pairs across the split, twins of a target in its history."""
    yield from _exact(corpus)
    yield from _copied_reviews(corpus)
    yield from _met(corpus)
    yield from _twins(corpus)


def plain(text: str) -> str:
    """``text`` as its words alone, in lower case: what is left where only the writing differs."""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _exact(corpus: Corpus) -> Iterator[Finding]:
    """Events equal in user, item and time; across the split, the answer was trained on."""
    log, parts = corpus.interactions, corpus.split.of_event
    done = () if log.behaviours is None else (log.behaviours.codes,)
    order = np.lexsort((parts, *done, log.times, log.items, log.users))
    order = order[parts[order] != UNUSED]
    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for column in (log.users, log.items, log.times, *done):
        same &= np.diff(column[order]) == 0
    across = same & (np.diff(parts[order]) > 0)
    for mask, severity, what in (
        (across, "leak", "and stand in a later part: what is held out is trained on too"),
        (same & ~across, "warning", "in the same part"),
    ):
        if mask.any():
            yield Finding(
                severity,  # type: ignore[arg-type]
                "exact repeats" + (" across the split" if severity == "leak" else ""),
                f"{mask.sum():,} events equal another in user, item and time {what}; data.dedupe "
                "takes them out",
                {"events": float(mask.sum())},
                shown(corpus, order[1:][mask]),
            )


def _copied_reviews(corpus: Corpus) -> Iterator[Finding]:
    """2: the review to be written stands in an earlier part, under another item."""
    log, parts = corpus.interactions, corpus.split.of_event
    if not log.texts:
        return
    said = {name: pl.Series(column).fill_null("") for name, column in log.texts.items()}
    told = pl.DataFrame({"user": log.users, "time": log.times, "part": parts, **said})
    told = told.with_row_index("event").filter(
        pl.col("part") != UNUSED, pl.any_horizontal(pl.col(*said) != "")
    )
    first = pl.col("part").min().over("user", "time", *said)
    asked = told.select("event", "part", first=first).filter(pl.col("part") == TEST)
    copied = asked.filter(pl.col("first") < TEST)["event"].to_numpy()
    if len(copied):
        yield Finding(
            "leak",
            "2 copied reviews",
            f"{len(copied):,} of the {len(asked):,} test reviews are, word for word, what the same "
            "user said at the same moment of another item, in an earlier part; data.dedupe: review "
            "takes them out",
            {"events": float(len(copied))},
            shown(corpus, copied),
        )


def _met(corpus: Corpus) -> Iterator[Finding]:
    """Targets of the test that their user has met: more of them than among training events?"""
    asked, _, events = cases(corpus.interactions, corpus.split, "test")
    histories, (requests, events) = asked.of_targets(), each_target(events)
    targets = corpus.interactions.items[events]
    met = _holds(histories, histories.items, requests, targets)
    if not met.any():
        return
    usual = _usual(corpus)
    leak = too_many(int(met.sum()), DEEPER * usual * len(met))
    yield Finding(
        "leak" if leak else "note",
        "targets already met",
        f"{met.mean():.1%} of the {len(met):,} test targets are in their user's own history, of "
        f"the last training events {usual:.1%}: "
        + ("held-out events were copied into training; " if leak else "users come back to items; ")
        + "with seen items filtered nobody can hit them (evaluate.exclude_seen: false lets lists "
        "hold them, data.dedupe takes them out)",
        {"share": float(met.mean()), "usual": usual},
        shown(corpus, events[met]),
    )


def _usual(corpus: Corpus) -> float:
    """Share of the users' last training events that repeat an earlier one, one more added.

    Where no training event repeats, all of them count.
    """
    log = corpus.interactions
    rows = np.flatnonzero((corpus.split.of_event == TRAIN) & log.is_target)
    users, items = log.users[rows], log.items[rows]
    _, first = np.unique(users.astype(np.int64) * log.n_items + items, return_index=True)
    new = np.zeros(len(rows), dtype=bool)
    new[first] = True
    if new.all():
        return 1 / max(1, len(rows))
    last = np.diff(users, append=-1) != 0
    return float((1 + (~new[last]).sum()) / last.sum())


def _twins(corpus: Corpus) -> Iterator[Finding]:
    """A target whose twin, the same title or long text under another id, the user has met."""
    log = corpus.interactions
    groups = [group for group in _same_words(corpus) if (group >= 0).any()]
    if not groups:
        return
    histories, _, events = cases(log, corpus.split, "test")
    requests, events = each_target(events)
    targets = log.items[events]
    rng = derive_rng(0, "audit", "twins")

    def met(asked: np.ndarray) -> np.ndarray:
        twins = [
            _holds(histories, g[histories.items], requests, g[asked]) & (g[asked] >= 0)
            for g in groups
        ]
        same = _holds(histories, histories.items, requests, asked)
        found: np.ndarray = np.any(twins, axis=0) & ~same
        return found

    true = met(targets)
    if not true.any():
        return
    fair = float(np.mean([met(rng.permutation(targets)).sum() for _ in range(DEALS)]))
    many = too_many(int(true.sum()), max(fair, 1 / DEALS)) and true.mean() >= 0.01
    items = int(np.any([group >= 0 for group in groups], axis=0).sum())
    titles = [corpus.catalog.titles[item] for item in targets[true].tolist()]
    yield Finding(
        "leak" if many and true.sum() >= LEAST else "warning",
        "near-duplicate items",
        f"{items:,} items share their title or text with another id, and {true.sum():,} test "
        f"targets ({true.mean():.2%}; dealt out anew: {fair:.1f}) have such a twin in their user's "
        "history: merge these ids",
        {"items": float(items), "targets": float(true.sum()), "share": float(true.mean())},
        shown(corpus, events[true], {"title": titles}),
    )


def _same_words(corpus: Corpus) -> Iterator[np.ndarray]:
    """``(N,)`` for titles and each attribute of prose: the number of an item's words, -1 where no
    other item has them."""
    catalog = corpus.catalog
    columns = [
        [plain(t) if t != i else "" for t, i in zip(catalog.titles, catalog.ids, strict=True)]
    ]
    for name in catalog.attributes:
        texts = [plain(values[0]) if len(values) == 1 else "" for values in catalog.values(name)]
        columns.append([text if len(text) >= PROSE else "" for text in texts])
    for words in columns:
        _, number, count = np.unique(words, return_inverse=True, return_counts=True)
        empty = np.array([not word for word in words])
        yield np.where(empty | (count[number] < 2), -1, number)


def _holds(
    histories: Histories, marks: np.ndarray, requests: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """``(n,)`` bool: one of the ``marks`` ``(S,)`` of ``requests (n,)`` is what it wants ``(n,)``.

    Marks are numbers from -1 on.
    """
    size = 2 + max(int(marks.max(initial=0)), int(wanted.max(initial=0)))
    had = histories.requests() * size + marks
    found: np.ndarray = np.isin(requests * size + wanted, had)
    return found
