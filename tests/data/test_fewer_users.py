"""Training events of some users: which stay, and that nothing else changes."""

from __future__ import annotations

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.train_events import of_some_users, with_news

WORLD = {"kind": "markov", "users": 40, "items": 12, "events": 6}


def test_a_smaller_share_s_users_are_among_a_larger_one_s() -> None:
    corpus = build(DataConfig(source="synthetic", synthetic=WORLD))[0]
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


def test_users_with_news_are_trained_on_and_as_many_others() -> None:
    corpus = build(DataConfig(source="synthetic", synthetic=WORLD, split="all"), evaluable=False)[0]
    log = corpus.interactions
    fresh = log.users < 4
    known = Lineage(log.event_keys[~fresh | (np.arange(len(log)) % 2 == 0)])

    def users(known: Lineage, replay: float) -> set[int]:
        kept = with_news(log, corpus.split, known, replay).mask("train")
        mine = set(log.users[kept].tolist())
        assert np.array_equal(kept, np.isin(log.users, list(mine)))  # whole histories
        return mine

    assert users(known, 0.0) == {0, 1, 2, 3}
    once = users(known, 1.0)
    assert (once > {0, 1, 2, 3}, len(once)) == (True, 8)
    assert users(known, 2.0) > once
    assert users(known, 99.0) == set(range(40))
    # the next time others are drawn; with nothing new, or nothing known, all are read
    later = known | Lineage(log.event_keys[~known.among(log.event_keys)][:1])
    assert users(later, 1.0) & once != once
    assert users(Lineage(log.event_keys), 1.0) == set(range(40))
    assert users(Lineage.none(), 1.0) == set(range(40))
