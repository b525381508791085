"""The leaks that published code has, looked for in a corpus.

Numbers in front of the checks are those of the project's measuring rules: 1 ids in order of
appearance, 2 a held-out review that trains under another item, 3 things learned from held-out
events (:mod:`p5rec.data.lineage_audit`), 4 order by id. The other form of leak 2, the target inside
a prompt, is looked for where prompts are rendered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.types import TEST, Corpus, Interactions

from .describe import tied_share
from .split import UNUSED, cases

LEAST = 20  # fewer items, users or ties than this show nothing


@dataclass(frozen=True)
class Finding:
    """One thing an audit found.

    Attributes:
        severity: ``leak`` makes numbers wrong, ``warning`` asks for a look, ``note`` informs.
        check: which check, a few words.
        sentence: what is the matter and what follows.
        numbers: what was measured.
    """

    severity: Literal["leak", "warning", "note"]
    check: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


def audit_corpus(corpus: Corpus, *, ordinal: bool = False) -> list[Finding]:
    """Everything suspicious about a prepared corpus.

    Args:
        corpus: the corpus.
        ordinal: its times are positions.
    """
    ids = _numbers(corpus.catalog.ids)
    found = [*_appearance(corpus, ids), *_sorted_by_id(corpus, ids), *_split(corpus)]
    found += [*_repeats(corpus), *_copied_reviews(corpus)]
    if not ordinal:
        found += [*_ties(corpus, ids), *_times(corpus.interactions)]
    return found


def _numbers(ids: list[str]) -> np.ndarray | None:
    """``(N,)`` the numbers that the external ids are or end in; None unless all differ."""
    numbers = pl.Series(ids, dtype=pl.String).str.extract(r"(\d{1,18})$").cast(pl.Int64)
    if numbers.null_count() or numbers.n_unique() < len(numbers):
        return None
    return numbers.to_numpy()


def _appearance(corpus: Corpus, ids: np.ndarray | None) -> Iterator[Finding]:
    """1: ids counted up while walking through whole histories, held-out events included."""
    log = corpus.interactions
    schemes = {"row number": np.arange(log.n_items)} | ({} if ids is None else {"id": ids})
    user_numbers = _numbers(list(corpus.user_ids))
    user_rank = np.arange(log.n_users) if user_numbers is None else _ranks(user_numbers)
    walks = {
        "user by user": np.lexsort((np.arange(len(log)), user_rank[log.users])),
        "through time": np.argsort(log.times, kind="stable"),
    }
    for scheme, numbers in schemes.items():
        for name, order in walks.items():
            follow = _counted_up(numbers, log.items[order])
            if log.n_items < LEAST or follow < 0.5:
                continue
            guess = _next_number(corpus, numbers)
            yield Finding(
                "leak",
                "1 ids by appearance",
                f"{follow:.0%} of the items carry the {scheme} after that of the item that first "
                f"appeared before them ({name}, held-out events included), and {guess:.1%} of the "
                f"test targets are the last item's {scheme} + 1: never show it to a model or use "
                "it as a code",
                {"follow": follow, "targets_next": guess},
            )
            break


def _counted_up(numbers: np.ndarray, walk: np.ndarray) -> float:
    """Share of first appearances in ``walk`` ``(E,)`` whose number is the next in rank."""
    items, first = np.unique(walk, return_index=True)
    ranks = _ranks(numbers[items])[np.argsort(first)]
    return float((np.diff(ranks) == 1).mean()) if len(ranks) > 1 else 0.0


def _next_number(corpus: Corpus, numbers: np.ndarray) -> float:
    histories, targets, _ = cases(corpus.interactions, corpus.split, "test")
    known = histories.lengths > 0
    last = histories.items[histories.offsets[1:][known] - 1]
    return float((numbers[targets[known]] == numbers[last] + 1).mean()) if known.any() else 0.0


def _sorted_by_id(corpus: Corpus, ids: np.ndarray | None) -> Iterator[Finding]:
    """4: whole sequences in order of id."""
    log, ranks = corpus.interactions, _id_ranks(corpus, ids)
    long = np.diff(log.offsets) >= 5
    inside = np.diff(log.users) == 0
    falls = inside & (np.diff(ranks[log.items]) < 0)
    n_falls = np.bincount(log.users[1:][falls], minlength=log.n_users)
    share = float((n_falls[long] == 0).mean()) if long.any() else 0.0
    if long.sum() >= LEAST and share >= 0.5:
        yield Finding(
            "leak",
            "4 sequences by id",
            f"{share:.0%} of the {long.sum():,} users with 5 or more events have them in ascending "
            "order of item id: the order is not that of time, so the next item can be guessed",
            {"share": share, "users": float(long.sum())},
        )


def _ties(corpus: Corpus, ids: np.ndarray | None) -> Iterator[Finding]:
    """4: events of one moment in order of id."""
    log, ranks = corpus.interactions, _id_ranks(corpus, ids)
    step = np.diff(ranks[log.items])
    tied = (np.diff(log.users) == 0) & (np.diff(log.times) == 0) & (step != 0)
    n = int(tied.sum())
    if n < LEAST:
        return
    rising = float((step[tied] > 0).mean())
    numbers = {"rising": rising, "pairs": float(n)}
    if max(rising, 1 - rising) >= 0.9:
        yield Finding(
            "leak",
            "4 ties by id",
            f"{rising:.0%} of {n:,} neighbouring events of one user and moment ascend in item id "
            "(a fair order has half): break ties by a seeded shuffle",
            numbers,
        )
    share = tied_share(log.users, log.times)
    if share >= 0.5:
        yield Finding(
            "note",
            "4 ties",
            f"{share:.0%} of the events share user and moment with another; their order is a "
            "seeded shuffle and carries no information",
            {"share": share},
        )


def _split(corpus: Corpus) -> Iterator[Finding]:
    """Held-out events that are not later than what they are held out from."""
    log, parts = corpus.interactions, corpus.split.parts
    used = parts != UNUSED
    users, order = log.users[used], parts[used]
    early = int(((np.diff(users) == 0) & (np.diff(order) < 0)).sum())
    if early:
        yield Finding(
            "leak",
            "split against time",
            f"{early:,} events come after a held-out event of the same user but belong to an "
            "earlier part: the future is in the training data",
            {"events": float(early)},
        )


def _repeats(corpus: Corpus) -> Iterator[Finding]:
    log = corpus.interactions
    pair = log.users.astype(np.int64) * log.n_items + log.items
    order = np.lexsort((log.times, pair))
    exact = int(((np.diff(pair[order]) == 0) & (np.diff(log.times[order]) == 0)).sum())
    if exact:
        yield Finding(
            "warning",
            "exact repeats",
            f"{exact:,} events equal another in user, item and time; data.dedupe takes them out",
            {"events": float(exact)},
        )
    histories, targets, _ = cases(log, corpus.split, "test")
    asked = histories.requests()
    met = np.bincount(asked[histories.items == targets[asked]], minlength=len(histories)) > 0
    if met.any():
        yield Finding(
            "warning",
            "targets already met",
            f"{met.mean():.1%} of the test targets are in their user's own history: with seen "
            "items filtered nobody can hit them (data.dedupe: first or last takes repeats out)",
            {"share": float(met.mean())},
        )


def _copied_reviews(corpus: Corpus) -> Iterator[Finding]:
    """2: the review to be written stands in an earlier part, under another item."""
    log, parts = corpus.interactions, corpus.split.parts
    if not log.texts:
        return
    said = {name: pl.Series(column).fill_null("") for name, column in log.texts.items()}
    told = pl.DataFrame({"user": log.users, "time": log.times, "part": parts, **said})
    told = told.filter(pl.col("part") != UNUSED, pl.any_horizontal(pl.col(*said) != ""))
    first = pl.col("part").min().over("user", "time", *said)
    asked = told.select("part", first=first).filter(pl.col("part") == TEST)
    if n := int((asked["first"] < TEST).sum()):
        yield Finding(
            "leak",
            "2 copied reviews",
            f"{n:,} of the {len(asked):,} test reviews are, word for word, what the same user "
            "said at the same moment of another item, where it may train (data.dedupe: review)",
            {"events": float(n)},
        )


def _times(log: Interactions) -> Iterator[Finding]:
    wrong = int(((log.times <= 0) | (log.times > time.time() + 86_400)).sum())
    if wrong:
        yield Finding(
            "warning",
            "impossible times",
            f"{wrong:,} events lie at or before 1970 or in the future; check data.time_format",
            {"events": float(wrong)},
        )


def _id_ranks(corpus: Corpus, ids: np.ndarray | None) -> np.ndarray:
    """``(N,)`` rank of each item's id, by number where the ids have one, else by letters."""
    return _ranks(np.asarray(corpus.catalog.ids) if ids is None else ids)


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
