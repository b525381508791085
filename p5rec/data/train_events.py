"""Training events: counts per item, subsamples of users, and the permutation control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng, sampled
from p5rec.core.types import Corpus, Interactions, Split

from .split import UNUSED


def training_counts(interactions: Interactions, split: Split) -> np.ndarray:
    """``(N,)`` int64: the number of training events of target behaviours of each item."""
    targets = split.mask("train") & interactions.is_target
    return np.bincount(interactions.items[targets], minlength=interactions.n_items)


def subsample_users(corpus: Corpus, share: float, seed: int) -> Corpus:
    """The corpus with the training events of a random ``share`` of its users, at least one user.

    The users of a smaller share are a subset of those of a larger one. Training events of the other
    users are in no split.
    """
    log = corpus.interactions
    train = corpus.split.mask("train")
    users = np.unique(log.users[train])
    count = max(1, round(share * len(users)))
    chosen = users[sampled(log.user_keys[users], count, seed, "users")]
    splits = np.where(train & ~np.isin(log.users, chosen), UNUSED, corpus.split.of_event)
    return replace(corpus, split=replace(corpus.split, of_event=splits.astype(np.int8)))


def with_new_events(
    interactions: Interactions, split: Split, known: Lineage, replay: float
) -> Split:
    """The split with the training events of users who have new ones, and of a replay sample.

    New events are those outside ``known``. The sample has ``replay`` times as many users without
    new events. Training events of the remaining users are in no split. If no user has new events,
    the split does not change.
    """
    train = split.mask("train")
    users = np.unique(interactions.users[train])
    new = train & ~known.contains(interactions.event_keys)
    updated = np.unique(interactions.users[new])
    if not len(updated):
        return split
    others = np.setdiff1d(users, updated, assume_unique=True)
    keys, count = interactions.user_keys[others], round(replay * len(updated))
    replayed = others[sampled(keys, count, split.seed, "replay", len(known.events))]
    chosen = np.concatenate([updated, replayed])
    splits = np.where(train & ~np.isin(interactions.users, chosen), UNUSED, split.of_event)
    return replace(split, of_event=splits.astype(np.int8))


def permute_histories(corpus: Corpus, splits: Sequence[str], seed: int) -> Corpus:
    """The corpus with the events of each of ``splits`` permuted between users within that split.

    This permutation control shows whether a model uses the user's own history. Each event moves to
    a slot of another user. Slots keep their user and time, so histories keep their lengths and
    times. Items keep all their ratings, so item statistics stay the same. A permuted history has no
    event of its own user, and its events come from almost as many users as it has events. Events
    of other splits, such as the targets of the evaluation, do not change.

    Args:
        corpus: the corpus.
        splits: the splits to permute, each within itself.
        seed: the seed of the permutation.

    Raises:
        UserError: one user has more than half of a split's events.
    """
    log = corpus.interactions
    source = np.arange(len(log))
    for split_name in splits:
        slots = np.flatnonzero(corpus.split.mask(split_name))
        source[slots] = slots[
            _permutation(log.users[slots], derive_rng(seed, "swap", split_name), split_name)
        ]
    return replace(corpus, interactions=replace(log, **log.content_at(source)))


def _permutation(users: np.ndarray, rng: np.random.Generator, split_name: str) -> np.ndarray:
    """``(n,)``: the source event of each slot; slots and events belong to ``users (n,)``."""
    counts = np.bincount(users, minlength=1)
    if 2 * counts.max() > len(users) > 0:
        raise UserError(
            f"permuted histories: expected users with at most half of the {split_name} events, got "
            f"one with {counts.max()} of {len(users)}; use a log with more users"
        )
    random = rng.random(len(users))
    by_user = np.lexsort((random, users))
    nth = np.empty(len(users), dtype=np.int64)
    nth[by_user] = np.arange(len(users)) - np.searchsorted(users, users)
    user_order = rng.permutation(len(counts))
    slots = np.lexsort((user_order[users], nth))  # the first slot of each user, then the second
    # the events of one user are consecutive, those of users with many events first
    events = np.lexsort((random, user_order[users], -counts[users]))
    while len(own := np.flatnonzero(users[slots] == users[events])):
        for one, other in zip(own, rng.integers(len(events), size=len(own)), strict=True):
            events[[one, other]] = events[[other, one]]
    source = np.empty(len(users), dtype=np.int64)
    source[slots] = events
    return source
