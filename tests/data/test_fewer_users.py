"""Training events of some users: which stay, and that nothing else changes."""

from __future__ import annotations

import numpy as np

from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.train_events import of_some_users

WORLD = {"kind": "markov", "users": 40, "items": 12, "events": 6}


def test_a_smaller_share_s_users_are_among_a_larger_one_s() -> None:
    corpus = build(DataConfig(source="world", world=WORLD))[0]
    log, train = corpus.interactions, corpus.split.mask("train")
    before: set[int] = set()
    for share, users in ((0.001, 1), (0.05, 2), (0.5, 20), (1.0, 40)):
        fewer = of_some_users(corpus, share, seed=3)
        kept = fewer.split.mask("train")
        mine = set(log.users[kept].tolist())
        assert len(mine) == users
        assert before <= mine
        before = mine
        assert np.array_equal(kept, train & np.isin(log.users, list(mine)))
        held_out = corpus.split.mask("valid", "test")
        assert np.array_equal(fewer.split.mask("valid", "test"), held_out)
        assert fewer.interactions is log
    other = of_some_users(corpus, 0.05, seed=4).split.mask("train")
    assert not np.array_equal(other, of_some_users(corpus, 0.05, seed=3).split.mask("train"))
