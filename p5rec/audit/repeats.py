"""Repeated events and reviews across splits, and duplicate items under different ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
import polars as pl

from p5rec.core.rng import derive_rng
from p5rec.core.types import TEST, TRAIN, Corpus, Histories
from p5rec.data.split import UNUSED, each_target, instances

from .findings import MIN_COUNT, Finding, evidence_of, too_many

WORD = re.compile(r"\w+")
PROSE = 30  # minimum length of an attribute whose equality makes two items duplicates
PERMUTATIONS = 20
LONGER = 1.5  # tolerated ratio of repeats, as test histories are longer than training histories


def audit_repeats(corpus: Corpus) -> Iterator[Finding]:
    """Audits repeated events, reviews and targets across splits, and duplicates of targets."""
    yield from _exact(corpus)
    yield from _copied_reviews(corpus)
    yield from _repeated_targets(corpus)
    yield from _duplicate_targets(corpus)


def plain(text: str) -> str:
    """The words of ``text`` in lower case, without punctuation."""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _exact(corpus: Corpus) -> Iterator[Finding]:
    """Events equal in user, item and time; across splits, the target is in the training data."""
    log, splits = corpus.interactions, corpus.split.of_event
    behaviour = () if log.behaviours is None else (log.behaviours.codes,)
    order = np.lexsort((splits, *behaviour, log.times, log.items, log.users))
    order = order[splits[order] != UNUSED]
    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for column in (log.users, log.items, log.times, *behaviour):
        same &= np.diff(column[order]) == 0
    across = same & (np.diff(splits[order]) > 0)
    for mask, severity, what in (
        (across, "leak", "and are in a later split: training data has held-out events"),
        (same & ~across, "warning", "in the same split"),
    ):
        if mask.any():
            yield Finding(
                severity,  # type: ignore[arg-type]
                "exact repeats" + (" across the split" if severity == "leak" else ""),
                f"{mask.sum():,} events equal another in user, item and time {what}; data.dedupe "
                "removes them",
                {"events": float(mask.sum())},
                evidence_of(corpus, order[1:][mask]),
            )


def _copied_reviews(corpus: Corpus) -> Iterator[Finding]:
    """Leak 2: a target review that is also in an earlier split, under another item."""
    log, splits = corpus.interactions, corpus.split.of_event
    if not log.texts:
        return
    texts = {name: pl.Series(column).fill_null("") for name, column in log.texts.items()}
    reviews = pl.DataFrame({"user": log.users, "time": log.times, "split": splits, **texts})
    reviews = reviews.with_row_index("event").filter(
        pl.col("split") != UNUSED, pl.any_horizontal(pl.col(*texts) != "")
    )
    first = pl.col("split").min().over("user", "time", *texts)
    tested = reviews.select("event", "split", first=first).filter(pl.col("split") == TEST)
    copied = tested.filter(pl.col("first") < TEST)["event"].to_numpy()
    if len(copied):
        yield Finding(
            "leak",
            "2 copied reviews",
            f"{len(copied):,} of the {len(tested):,} test reviews equal a review by the same "
            "user at the same time of another item, in an earlier split; data.dedupe: review "
            "removes them",
            {"events": float(len(copied))},
            evidence_of(corpus, copied),
        )


def _repeated_targets(corpus: Corpus) -> Iterator[Finding]:
    """Test targets in their own history: more than the repeats of training events explain?"""
    at_cut, _, events = instances(corpus.interactions, corpus.split, "test")
    histories, (requests, events) = at_cut.of_targets(), each_target(events)
    targets = corpus.interactions.items[events]
    repeated = _holds(histories, histories.items, requests, targets)
    if not repeated.any():
        return
    usual = _usual(corpus)
    leak = too_many(int(repeated.sum()), LONGER * usual * len(repeated))
    yield Finding(
        "leak" if leak else "note",
        "targets already seen",
        f"{repeated.mean():.1%} of the {len(repeated):,} test targets are in their user's history "
        f"(last training events: {usual:.1%}): "
        + ("held-out events were copied into training; " if leak else "users repeat items; ")
        + "lists that exclude seen items cannot contain them (evaluate.exclude_seen: false allows "
        "them, data.dedupe removes them)",
        {"share": float(repeated.mean()), "usual": usual},
        evidence_of(corpus, events[repeated]),
    )


def _usual(corpus: Corpus) -> float:
    """The share of users' last training events that repeat an earlier item, with one added.

    Where no training event repeats an item, the share is one of all training events.
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


def _duplicate_targets(corpus: Corpus) -> Iterator[Finding]:
    """Targets with a duplicate in the user's history: equal title or long text, another id."""
    log = corpus.interactions
    groups = [group for group in _same_words(corpus) if (group >= 0).any()]
    if not groups:
        return
    histories, _, events = instances(log, corpus.split, "test")
    requests, events = each_target(events)
    targets = log.items[events]
    rng = derive_rng(0, "audit", "twins")

    def has_duplicate(targets: np.ndarray) -> np.ndarray:
        duplicates = [
            _holds(histories, g[histories.items], requests, g[targets]) & (g[targets] >= 0)
            for g in groups
        ]
        same = _holds(histories, histories.items, requests, targets)
        duplicate: np.ndarray = np.any(duplicates, axis=0) & ~same
        return duplicate

    true = has_duplicate(targets)
    if not true.any():
        return
    expected = float(
        np.mean([has_duplicate(rng.permutation(targets)).sum() for _ in range(PERMUTATIONS)])
    )
    many = too_many(int(true.sum()), max(expected, 1 / PERMUTATIONS)) and true.mean() >= 0.01
    items = int(np.any([group >= 0 for group in groups], axis=0).sum())
    titles = [corpus.catalog.titles[item] for item in targets[true].tolist()]
    yield Finding(
        "leak" if many and true.sum() >= MIN_COUNT else "warning",
        "near-duplicate items",
        f"{items:,} items have the title or text of another id, and {true.sum():,} test targets "
        f"({true.mean():.2%}; permuted: {expected:.1f}) have such a duplicate in their user's "
        "history: merge these ids",
        {"items": float(items), "targets": float(true.sum()), "share": float(true.mean())},
        evidence_of(corpus, events[true], {"title": titles}),
    )


def _same_words(corpus: Corpus) -> Iterator[np.ndarray]:
    """``(N,)`` for titles and each text attribute: the index of an item's text, -1 where no other
    item has the same text."""
    catalog = corpus.catalog
    columns = [[plain(title) for title in catalog.own_titles]]
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
    """``(n,)`` bool: whether ``wanted (n,)`` is among the ``marks (S,)`` of the histories
    ``requests (n,)``.

    Marks are integers, -1 or above.
    """
    size = 2 + max(int(marks.max(initial=0)), int(wanted.max(initial=0)))
    known = histories.requests() * size + marks
    held: np.ndarray = np.isin(requests * size + wanted, known)
    return held
