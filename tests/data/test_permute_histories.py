"""The permutation control of histories: item statistics stay, ownership of events is lost."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.train_events import permute_histories

USERS, ITEMS = 60, 40


def corpus(lengths: np.ndarray | None = None) -> Corpus:
    """A corpus whose ratings identify the event: ``user + item / 100``."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 40, USERS) if lengths is None else lengths
    users = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    items = rng.integers(0, ITEMS, len(users)).astype(np.int32)
    ratings = (users + items / 100).astype(np.float32)
    keys = id_keys(range(len(lengths))), id_keys(range(ITEMS))
    log = Interactions(users, items, np.arange(len(users)), ratings, *keys)
    splits = rng.choice([0, 0, 0, 1, 2], len(users)).astype(np.int8)
    return Corpus(log, Catalog(None), Users.of([]), Split("by hand", splits))


def test_items_keep_their_ratings_and_users_their_times() -> None:
    before = corpus()
    after = permute_histories(before, ["train", "valid"], seed=4)
    one, two = before.interactions, after.interactions
    assert np.array_equal(one.users, two.users)
    assert np.array_equal(one.times, two.times)
    for split_name in ("train", "valid"):
        mask = before.split.mask(split_name)
        pairs = [sorted(zip(e.items[mask], e.ratings[mask], strict=True)) for e in (one, two)]
        assert pairs[0] == pairs[1]
    test = before.split.mask("test")
    assert np.array_equal(one.items[test], two.items[test])
    assert np.array_equal(one.ratings[test], two.ratings[test])


def test_no_user_keeps_an_event_and_sources_are_spread() -> None:
    before = corpus()
    log = permute_histories(before, ["train"], seed=4).interactions
    train = before.split.mask("train")
    came_from = np.floor(log.ratings).astype(int)
    assert not (came_from == log.users)[train].any()
    for user in range(USERS):
        own = came_from[train & (log.users == user)]
        # almost as many source users as events; a random permutation gives 20 for 25 events
        assert len(np.unique(own)) >= 0.9 * len(own)


def test_a_permutation_depends_only_on_its_seed_and_split() -> None:
    before = corpus()
    train = before.split.mask("train")
    one, more = (
        permute_histories(before, ["train"], 4),
        permute_histories(before, ["train", "valid"], 4),
    )
    other = permute_histories(before, ["train"], 5)
    assert np.array_equal(one.interactions.ratings[train], more.interactions.ratings[train])
    assert not np.array_equal(one.interactions.ratings, other.interactions.ratings)
    valid = before.split.mask("valid")
    assert np.array_equal(one.interactions.ratings[valid], before.interactions.ratings[valid])


def test_a_user_with_most_of_the_events_is_refused() -> None:
    with pytest.raises(UserError, match="expected users with at most half of the train events"):
        permute_histories(corpus(np.array([30, 4, 5])), ["train"], 0)
    nobody = corpus(np.array([], dtype=int))
    assert len(permute_histories(nobody, ["train"], 0).interactions) == 0
