"""Leak 1: ids that tell when an item was met, so that "last id + 1" names what comes next.

Two questions are asked of a numbering. Does it name held-out targets better than the same numbers
dealt out at random? And were items numbered as they first appeared while somebody walked through
whole histories? The second makes it a leak: the items first met in held-out events stand in line
too, so these events made the numbers. The first alone is a warning: catalogues are often numbered
by theme or age, and neighbours in them go together without any held-out event having been read.

Between the two lie ids given out user by user, in another order than that of time (MovieLens 100k:
user 1 has exactly the items 1 to 272, user 2 brings 273 to 316, and so on through all 943). A
held-out item still lies in its user's run of numbers. That is a leak where ids can be seen, in a
log or as titles, and a warning where titles stand for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN, Corpus, ItemCodes
from p5rec.data.split import cases, each_target

from .findings import LEAST, SURE, Finding, Row, shown

DEALS = 999  # permuted numberings that the true one is held against
NEAR = 3  # how far a close neighbour may be
CASES = 20_000  # questions looked at, drawn where there are more


def audit_ids(corpus: Corpus, *, seen: bool) -> Iterator[Finding]:
    """The external ids, by the number they are or end in, else by letters; and our row numbers.

    Args:
        corpus: the corpus.
        seen: the ids themselves can be seen; else only titles are.
    """
    seen = seen or corpus.catalog.titles == corpus.catalog.ids
    yield from _numbering(corpus, "row number", np.arange(len(corpus.catalog)), "catalogue")
    ranks = ranks_of_ids(corpus.catalog.ids)
    yield from _numbering(corpus, "id", ranks, "seen" if seen else "catalogue")


def audit_codes(corpus: Corpus, codes: ItemCodes, name: str) -> Iterator[Finding]:
    """Codes, numbered in order. Learned codes may say what goes together; only a walk is a leak."""
    ranks = ranked(np.lexsort(codes.codes.T[::-1]))
    yield from _numbering(corpus, f"code ({name})", ranks, "learned")


def ranks_of_ids(ids: list[str]) -> np.ndarray:
    """``(N,)`` rank of each id: by the number that it is or ends in, else by letters."""
    numbers = pl.Series(ids, dtype=pl.String).str.extract(r"(\d{1,18})$").cast(pl.Int64)
    if numbers.null_count() or numbers.n_unique() < len(numbers):
        return ranked(np.argsort(np.asarray(ids), kind="stable"))
    return ranked(np.argsort(numbers.to_numpy(), kind="stable"))


def ranked(order: np.ndarray) -> np.ndarray:
    """``(N,)`` the place of each in ``order`` ``(N,)``."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _numbering(
    corpus: Corpus, scheme: str, ranks: np.ndarray, kind: Literal["seen", "catalogue", "learned"]
) -> Iterator[Finding]:
    N = len(ranks)
    last, targets, events = _questions(corpus)
    if N < LEAST or len(targets) < LEAST:
        return
    rng = derive_rng(0, "audit", "deals")
    true = _named(ranks, last, targets)
    dealt = np.stack([_named(rng.permutation(N), last, targets) for _ in range(DEALS)])
    p = (1 + (dealt >= true).sum(axis=0)) / (1 + DEALS)
    low, high = np.quantile(dealt[:, 0], [0.025, 0.975])
    guess = (
        f"the last item's {scheme} + 1 names {true[0]:.2%} of {len(targets):,} held-out targets "
        f"(permuted: {dealt[:, 0].mean():.2%} [{low:.2%}, {high:.2%}], p {_chance(p[0])})"
    )
    numbers = {"targets_next": float(true[0]), "p": float(p[0]), "near": float(true[1])}
    step = ranks[targets] - ranks[last]
    near = np.flatnonzero((step != 0) & (np.abs(step) <= NEAR))
    near = near[np.argsort(np.abs(step[near] - 1), kind="stable")]  # those that are the next first
    rows = _hits(corpus, events[near], last[near])
    runs, timely = _by_user(corpus, ranks), _by_time(corpus, ranks)
    if timely.held >= LEAST and min(timely.share, timely.rising) >= 0.5:
        yield Finding(
            "leak",
            "1 ids by appearance",
            f"{timely.rising:.0%} of the {timely.held:,} items first met in held-out events carry "
            f"the {scheme} after that of the item first met before them, through time: held-out "
            f"events made these numbers, never show them to a model or use them as codes; {guess}",
            numbers | {"share": timely.share, "rising": timely.rising},
            rows,
        )
    elif p.min() > SURE:
        return
    elif runs.held >= LEAST and runs.share >= 0.5 and runs.alone >= 0.7:
        ordered = runs.rising >= 0.9
        yield Finding(
            "leak" if ordered or kind == "seen" else "warning",
            "1 ids by appearance",
            f"{runs.share:.0%} of the items lie in runs of {scheme}s that one user after the other "
            f"brought, {runs.rising:.0%} of them in order of time, with {runs.held:,} held-out "
            f"events in them, and {guess}: held-out events made these numbers"
            + (", never" if ordered or kind == "seen" else "; no prompt shows them here, but never")
            + " show them to a model or use them as codes",
            numbers | {"share": runs.share, "rising": runs.rising},
            rows,
        )
    elif kind != "learned":
        yield Finding(
            "warning",
            "1 ids in some order",
            f"{guess}, and within {NEAR} of it lie {true[1]:.2%} (permuted: "
            f"{dealt[:, 1].mean():.2%}, p {_chance(p[1])}): these numbers follow some order, such "
            "as a catalogue's; nothing shows that held-out events made it, but never show them to "
            "a model or use them as codes",
            numbers,
            rows,
        )


def _questions(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(n,)`` each: the last item before a held-out target, the target, and its event.

    Where both are one item, its number says nothing, and the question is left out.
    """
    found: list[tuple[np.ndarray, ...]] = []
    for split_name in ("valid", "test"):
        histories, _, events = cases(corpus.interactions, corpus.split, split_name)
        requests, events = each_target(events)
        known = histories.lengths[requests] > 0
        requests, events = requests[known], events[known]
        last = histories.items[histories.offsets[1:][requests] - 1]
        targets = corpus.interactions.items[events]
        moved = last != targets
        found.append((last[moved], targets[moved], events[moved]))
    last, targets, events = (np.concatenate(each) for each in zip(*found, strict=True))
    if len(targets) > CASES:
        kept = np.sort(derive_rng(0, "audit", "cases").permutation(len(targets))[:CASES])
        last, targets, events = last[kept], targets[kept], events[kept]
    return last, targets, events


def _named(ranks: np.ndarray, last: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(2,)``: shares of the targets that are the next number, and that are a close one."""
    step = ranks[targets] - ranks[last]
    return np.array([(step == 1).mean(), (np.abs(step) <= NEAR).mean()])


@dataclass(frozen=True)
class _Line:
    """How items stand in line.

    Attributes:
        share: of all items, those that do.
        held: how many of them were first met in held-out events.
        rising: share that came after the item whose number is one lower.
        alone: share of the users with a run of numbers whose run is needed.
    """

    share: float
    held: int
    rising: float
    alone: float = 1.0


def _by_user(corpus: Corpus, ranks: np.ndarray) -> _Line:
    """Whether users one after the other brought all numbers, in whatever order users came.

    Once a user's items are numbered, the next number is the next user's. So whoever brought the
    numbers ``f..t`` has all of them and none above ``t``, and but by chance no other user has such
    a run of 2 or more. Where many have the same runs, they follow a series numbered in order.
    """
    log, N = corpus.interactions, len(ranks)
    pairs, first = np.unique(log.users.astype(np.int64) * N + ranks[log.items], return_index=True)
    users, numbers = pairs // N, pairs % N
    broken = (np.diff(pairs, prepend=-2) != 1) | (np.diff(users, prepend=-1) != 0)
    tops = np.flatnonzero(np.diff(users, append=-1))  # each user's highest number
    starts = np.maximum.accumulate(np.where(broken, np.arange(len(pairs)), 0))[tops]
    chain = list(_chain(numbers, starts, tops, N))
    brought = [first[low : top + 1] for low, top in chain]
    held = sum(int((corpus.split.of_event[events] > TRAIN).sum()) for events in brought)
    rising = sum(int((np.diff(events) > 0).sum()) for events in brought)
    covered = sum(len(events) for events in brought)
    return _Line(
        share=covered / N,
        held=held,
        rising=rising / max(1, covered - len(chain)),
        alone=len(chain) / max(1, int((tops > starts).sum())),
    )


def _chain(
    numbers: np.ndarray, starts: np.ndarray, tops: np.ndarray, N: int
) -> Iterator[tuple[int, int]]:
    """From the lowest number on, the longest run of 2 or more that covers the next number.

    Args:
        numbers: what ``starts`` and ``tops`` ``(U,)``, the ends of each user's highest run, index.
        N: how many numbers there are.

    Returns:
        Both ends of the part of each run that no run before it covers.
    """
    reach, owner = np.full(N, -1), np.zeros(N, dtype=np.int64)
    for at in np.argsort(numbers[tops], kind="stable").tolist():
        low = numbers[starts[at]]
        reach[low], owner[low] = numbers[tops[at]], tops[at]
    front, far, top = 0, -1, 0
    while front < N:
        if reach[front] > far:
            far, top = int(reach[front]), int(owner[front])
        if far > front:
            yield top - (far - front), top
        front = max(front, far) + 1


def _by_time(corpus: Corpus, ranks: np.ndarray) -> _Line:
    """Whether numbers were counted up through time."""
    log = corpus.interactions
    walk = np.argsort(log.times, kind="stable")
    items, first = np.unique(log.items[walk], return_index=True)
    met = np.argsort(first)
    held = corpus.split.of_event[walk[first[met]]] > TRAIN
    follows = np.diff(ranked(np.argsort(ranks[items[met]])), prepend=-1) == 1
    rising = float(follows[held].mean()) if held.any() else 0.0
    return _Line(float(follows.mean()), int(held.sum()), rising)


def _hits(corpus: Corpus, events: np.ndarray, last: np.ndarray) -> tuple[Row, ...]:
    before = [corpus.catalog.ids[item] for item in last.tolist()]
    return shown(corpus, events, {"last": before})


def _chance(p: float) -> str:
    return f"<= {SURE}" if p <= SURE else f"{p:.3f}"
