"""Leak 1: ids in order of appearance, so that "last id + 1" predicts the next item.

A numbering has two tests. Does it predict held-out targets better than random permutations of the
same numbers? And were the items numbered by first appearance in whole histories? The second makes
it a leak: the numbers of items that first appear in held-out events follow the same order, so they
depend on these events. The first alone is a warning: catalogues are often numbered by theme or
age, and related items have close numbers without any use of held-out events.

A third case is ids assigned user by user, but not in the order of time (MovieLens 100k: user 1 has
exactly the items 1 to 272, user 2 adds 273 to 316, and so on through all 943 users). A held-out
item is still in its user's run of numbers. This is a leak where ids are visible, in a log or as
titles, and a warning where prompts show titles instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN, Corpus
from p5rec.data.split import each_target, instances

from .findings import ALPHA, MIN_COUNT, Finding, Row, evidence_of

PERMUTATIONS = 999  # random permutations of the numbering
NEAR = 3  # largest difference between close numbers
MAX_TRANSITIONS = 20_000  # larger data sets are sampled


def audit_ids(corpus: Corpus, *, seen: bool) -> Iterator[Finding]:
    """Audits external ids, ordered by their trailing number, else by letters, and row numbers.

    Args:
        corpus: the corpus.
        seen: whether the ids themselves are visible; else only titles are.
    """
    seen = seen or not any(corpus.catalog.own_titles)
    yield from _numbering(corpus, "row number", np.arange(len(corpus.catalog)), "catalogue")
    ranks = ranks_of_ids(corpus.catalog.ids)
    yield from _numbering(corpus, "id", ranks, "seen" if seen else "catalogue")


def audit_codes(corpus: Corpus, codes: ItemCodes, name: str) -> Iterator[Finding]:
    """Audits item codes, numbered in order; only an order of appearance is a leak."""
    ranks = ranked(np.lexsort(codes.codes.T[::-1]))
    yield from _numbering(corpus, f"code ({name})", ranks, "codes")


def ranks_of_ids(ids: list[str]) -> np.ndarray:
    """``(N,)`` the rank of each id, by its trailing number, else by letters."""
    numbers = pl.Series(ids, dtype=pl.String).str.extract(r"(\d{1,18})$").cast(pl.Int64)
    if numbers.null_count() or numbers.n_unique() < len(numbers):
        return ranked(np.argsort(np.asarray(ids), kind="stable"))
    return ranked(np.argsort(numbers.to_numpy(), kind="stable"))


def ranked(order: np.ndarray) -> np.ndarray:
    """``(N,)`` the position of each element in ``order`` ``(N,)``."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _numbering(
    corpus: Corpus, scheme: str, ranks: np.ndarray, kind: Literal["seen", "catalogue", "codes"]
) -> Iterator[Finding]:
    N = len(ranks)
    last, targets, events = _transitions(corpus)
    if N < MIN_COUNT or len(targets) < MIN_COUNT:
        return
    rng = derive_rng(0, "audit", "deals")
    true = _predicted(ranks, last, targets)
    permuted = np.stack(
        [_predicted(rng.permutation(N), last, targets) for _ in range(PERMUTATIONS)]
    )
    p = (1 + (permuted >= true).sum(axis=0)) / (1 + PERMUTATIONS)
    low, high = np.quantile(permuted[:, 0], [0.025, 0.975])
    prediction = (
        f"the last item's {scheme} + 1 predicts {true[0]:.2%} of {len(targets):,} held-out targets "
        f"(permuted: {permuted[:, 0].mean():.2%} [{low:.2%}, {high:.2%}], p {_p_value(p[0])})"
    )
    numbers = {"targets_next": float(true[0]), "p": float(p[0]), "near": float(true[1])}
    step = ranks[targets] - ranks[last]
    near = np.flatnonzero((step != 0) & (np.abs(step) <= NEAR))
    near = near[np.argsort(np.abs(step[near] - 1), kind="stable")]  # the next number first
    rows = _hits(corpus, events[near], last[near])
    by_user, by_time = _by_user(corpus, ranks), _by_time(corpus, ranks)
    if by_time.held >= MIN_COUNT and min(by_time.share, by_time.rising) >= 0.5:
        yield Finding(
            "leak",
            "1 ids by appearance",
            f"{by_time.rising:.0%} of the {by_time.held:,} items that first appear in held-out "
            f"events have the next {scheme} after the item that appeared before them: the numbers "
            "depend on held-out events; never show them to a model or use them as codes; "
            f"{prediction}",
            numbers | {"share": by_time.share, "rising": by_time.rising},
            rows,
        )
    elif p.min() > ALPHA:
        return
    elif by_user.held >= MIN_COUNT and by_user.share >= 0.5 and by_user.needed >= 0.7:
        ordered = by_user.rising >= 0.9
        yield Finding(
            "leak" if ordered or kind == "seen" else "warning",
            "1 ids by appearance",
            f"{by_user.share:.0%} of the {scheme}s were assigned user by user in order of first "
            f"appearance, {by_user.rising:.0%} of them in order of time, with {by_user.held:,} "
            f"held-out events among them, and {prediction}: the numbers depend on held-out events"
            + ("; never" if ordered or kind == "seen" else "; no prompt shows them here, but never")
            + " show them to a model or use them as codes",
            numbers | {"share": by_user.share, "rising": by_user.rising},
            rows,
        )
    elif kind != "codes":
        yield Finding(
            "warning",
            "1 ids in some order",
            f"{prediction}, and {true[1]:.2%} differ by at most {NEAR} (permuted: "
            f"{permuted[:, 1].mean():.2%}, p {_p_value(p[1])}): these numbers follow some order, "
            "such as a catalogue's; there is no evidence of held-out events in it, but never show "
            "the numbers to a model or use them as codes",
            numbers,
            rows,
        )


def _transitions(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(n,)`` each: the last item before a held-out target, the target, and its event.

    Transitions from an item to itself are left out.
    """
    per_split: list[tuple[np.ndarray, ...]] = []
    for split_name in ("valid", "test"):
        histories, _, events = instances(corpus.interactions, corpus.split, split_name)
        requests, events = each_target(events)
        known = histories.lengths[requests] > 0
        requests, events = requests[known], events[known]
        last = histories.items[histories.offsets[1:][requests] - 1]
        targets = corpus.interactions.items[events]
        moved = last != targets
        per_split.append((last[moved], targets[moved], events[moved]))
    last, targets, events = (np.concatenate(each) for each in zip(*per_split, strict=True))
    if len(targets) > MAX_TRANSITIONS:
        sample = np.sort(
            derive_rng(0, "audit", "cases").permutation(len(targets))[:MAX_TRANSITIONS]
        )
        last, targets, events = last[sample], targets[sample], events[sample]
    return last, targets, events


def _predicted(ranks: np.ndarray, last: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(2,)`` the shares of targets with the next number, and with a close number."""
    step = ranks[targets] - ranks[last]
    return np.array([(step == 1).mean(), (np.abs(step) <= NEAR).mean()])


@dataclass(frozen=True)
class _Appearance:
    """How far a numbering follows the order of first appearance.

    Attributes:
        share: share of all items that follow the order.
        held: number of them that first appear in held-out events.
        rising: share of them that appear after the item whose number is one lower.
        needed: of the users with a run of numbers, the share whose run the order needs.
    """

    share: float
    held: int
    rising: float
    needed: float = 1.0


def _by_user(corpus: Corpus, ranks: np.ndarray) -> _Appearance:
    """Whether the numbers were assigned user by user, in any order of the users.

    After a user's items are numbered, the next number belongs to the next user. So the user of the
    numbers ``f..t`` has all of them and none above ``t``, and other users have a run of 2 or more
    by chance alone. Many users with the same runs indicate a series that is numbered in order.
    """
    log, N = corpus.interactions, len(ranks)
    pairs, first = np.unique(log.users.astype(np.int64) * N + ranks[log.items], return_index=True)
    users, numbers = pairs // N, pairs % N
    broken = (np.diff(pairs, prepend=-2) != 1) | (np.diff(users, prepend=-1) != 0)
    tops = np.flatnonzero(np.diff(users, append=-1))  # each user's highest number
    starts = np.maximum.accumulate(np.where(broken, np.arange(len(pairs)), 0))[tops]
    chain = list(_chain(numbers, starts, tops, N))
    assigned = [first[low : top + 1] for low, top in chain]
    held = sum(int((corpus.split.of_event[events] > TRAIN).sum()) for events in assigned)
    rising = sum(int((np.diff(events) > 0).sum()) for events in assigned)
    covered = sum(len(events) for events in assigned)
    return _Appearance(
        share=covered / N,
        held=held,
        rising=rising / max(1, covered - len(chain)),
        needed=len(chain) / max(1, int((tops > starts).sum())),
    )


def _chain(
    numbers: np.ndarray, starts: np.ndarray, tops: np.ndarray, N: int
) -> Iterator[tuple[int, int]]:
    """A chain of runs: from the lowest number up, the longest run that covers the next number.

    Args:
        numbers: the numbers of all pairs of user and item, sorted by user.
        starts, tops: ``(U,)`` the ends of each user's highest run, as indices of ``numbers``.
        N: the count of numbers.

    Returns:
        The ends of the section of each run that no earlier run covers; runs of 2 or more.
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


def _by_time(corpus: Corpus, ranks: np.ndarray) -> _Appearance:
    """Whether the numbers follow the order of first appearance in time."""
    log = corpus.interactions
    order = np.argsort(log.times, kind="stable")
    items, first = np.unique(log.items[order], return_index=True)
    appeared = np.argsort(first)
    held = corpus.split.of_event[order[first[appeared]]] > TRAIN
    follows = np.diff(ranked(np.argsort(ranks[items[appeared]])), prepend=-1) == 1
    rising = float(follows[held].mean()) if held.any() else 0.0
    return _Appearance(float(follows.mean()), int(held.sum()), rising)


def _hits(corpus: Corpus, events: np.ndarray, last: np.ndarray) -> tuple[Row, ...]:
    before = [corpus.catalog.ids[item] for item in last.tolist()]
    return evidence_of(corpus, events, {"last": before})


def _p_value(p: float) -> str:
    return f"<= {ALPHA}" if p <= ALPHA else f"{p:.3f}"
