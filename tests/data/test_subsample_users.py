"""Subsamples of users: only their training events remain, and nothing else changes."""

from __future__ import annotations

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.train_events import subsample_users, with_new_events

DATA = {"kind": "markov", "users": 40, "items": 12, "events": 6}


def test_users_of_a_smaller_share_are_a_subset() -> None:
    corpus = build(DataConfig(source="synthetic", synthetic=DATA))[0]
    log, train = corpus.interactions, corpus.split.mask("train")
    before: set[int] = set()
    for share, users in ((0.001, 1), (0.05, 2), (0.5, 20), (1.0, 40)):
        fewer = subsample_users(corpus, share, seed=3)
        used = fewer.split.mask("train")
        own = set(log.users[used].tolist())
        assert len(own) == users
        assert before <= own
        before = own
        assert np.array_equal(used, train & np.isin(log.users, list(own)))
        held_out = corpus.split.mask("valid", "test")
        assert np.array_equal(fewer.split.mask("valid", "test"), held_out)
        assert fewer.interactions is log
    other = subsample_users(corpus, 0.05, seed=4).split.mask("train")
    assert not np.array_equal(other, subsample_users(corpus, 0.05, seed=3).split.mask("train"))


def test_users_with_new_events_and_a_replay_sample_are_trained_on() -> None:
    corpus = build(DataConfig(source="synthetic", synthetic=DATA, split="all"), evaluable=False)[0]
    log = corpus.interactions
    fresh = log.users < 4
    known = Lineage(log.event_keys[~fresh | (np.arange(len(log)) % 2 == 0)])

    def users(known: Lineage, replay: float) -> set[int]:
        used = with_new_events(log, corpus.split, known, replay).mask("train")
        own = set(log.users[used].tolist())
        assert np.array_equal(used, np.isin(log.users, list(own)))  # whole histories
        return own

    assert users(known, 0.0) == {0, 1, 2, 3}
    once = users(known, 1.0)
    assert (once > {0, 1, 2, 3}, len(once)) == (True, 8)
    assert users(known, 2.0) > once
    assert users(known, 99.0) == set(range(40))
    # the next update samples other users; if no event or every event is new, all users are read
    later = known | Lineage(log.event_keys[~known.contains(log.event_keys)][:1])
    assert users(later, 1.0) & once != once
    assert users(Lineage(log.event_keys), 1.0) == set(range(40))
    assert users(Lineage.none(), 1.0) == set(range(40))
