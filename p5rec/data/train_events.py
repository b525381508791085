"""The events that train: counted, those of some users, or all of them swapped between users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng, sampled
from p5rec.core.types import Corpus, Interactions, Split

from .split import UNUSED


def taken(interactions: Interactions, split: Split) -> np.ndarray:
    """``(N,)`` int64 training events of each item, those of target behaviours."""
    asked = split.mask("train") & interactions.is_target
    return np.bincount(interactions.items[asked], minlength=interactions.n_items)


def of_some_users(corpus: Corpus, share: float, seed: int) -> Corpus:
    """The corpus with the training events of a seeded ``share`` of its users, at least one.

    A smaller share's users are among a larger one's. Other users' training events are in no
    split.
    """
    log = corpus.interactions
    train = corpus.split.mask("train")
    users = np.unique(log.users[train])
    count = max(1, round(share * len(users)))
    kept = users[sampled(log.user_keys[users], count, seed, "users")]
    splits = np.where(train & ~np.isin(log.users, kept), UNUSED, corpus.split.of_event)
    return replace(corpus, split=replace(corpus.split, of_event=splits.astype(np.int8)))


def with_news(interactions: Interactions, split: Split, known: Lineage, replay: float) -> Split:
    """The split with the training events of the users who have some that are not ``known``, and of
    ``replay`` times as many others, drawn.

    Others' training events are in no split. Where nobody has news, or all do, everybody is taken.
    """
    train = split.mask("train")
    users = np.unique(interactions.users[train])
    news = train & ~known.among(interactions.event_keys)
    fresh = np.unique(interactions.users[news])
    if not len(fresh):
        return split
    others = np.setdiff1d(users, fresh, assume_unique=True)
    keys, count = interactions.user_keys[others], round(replay * len(fresh))
    drawn = sampled(keys, count, split.seed, "replay", len(known.events))
    kept = np.concatenate([fresh, others[drawn]])
    splits = np.where(train & ~np.isin(interactions.users, kept), UNUSED, split.of_event)
    return replace(split, of_event=splits.astype(np.int8))


def swapped(corpus: Corpus, splits: Sequence[str], seed: int) -> Corpus:
    """The corpus with the events of each of ``splits`` permuted between users within that split.

    The control that shows whether a model reads its user. Every event is dealt to another user, as
    cards are: one to each place in turn. Places keep their user and time, so histories keep their
    lengths and their times; items keep all of their ratings, so what is true of an item stays true.
    What goes is whose events they are: a history holds events of as many strangers as it is long,
    or nearly, and none of its own user. Events of other splits stay: of those, the items and ratings
    that are asked about.

    Raises:
        UserError: one user has more than half of a split's events.
    """
    log = corpus.interactions
    source = np.arange(len(log))
    for split_name in splits:
        places = np.flatnonzero(corpus.split.mask(split_name))
        source[places] = places[
            _deal(log.users[places], derive_rng(seed, "swap", split_name), split_name)
        ]
    dealt = replace(log, **log.moved(source))
    return replace(corpus, interactions=dealt)


def _deal(users: np.ndarray, rng: np.random.Generator, split_name: str) -> np.ndarray:
    """``(n,)``: the event that each place gets, of places and events of ``users (n,)``."""
    counts = np.bincount(users, minlength=1)
    if 2 * counts.max() > len(users) > 0:
        raise UserError(
            f"swapped histories: expected users with at most half of the {split_name} events, got one "
            f"with {counts.max()} of {len(users)}; the control needs others to swap with"
        )
    drawn = rng.random(len(users))
    by_user = np.lexsort((drawn, users))
    nth = np.empty(len(users), dtype=np.int64)
    nth[by_user] = np.arange(len(users)) - np.searchsorted(users, users)
    seat = rng.permutation(len(counts))
    places = np.lexsort((seat[users], nth))  # a round of all users, then the next
    # one user's cards lie together; long runs go out while there are many to deal to
    cards = np.lexsort((drawn, seat[users], -counts[users]))
    while len(own := np.flatnonzero(users[places] == users[cards])):
        for one, other in zip(own, rng.integers(len(cards), size=len(own)), strict=True):
            cards[[one, other]] = cards[[other, one]]
    source = np.empty(len(users), dtype=np.int64)
    source[places] = cards
    return source
