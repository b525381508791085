"""The synthetic datasets have the planted structure."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.sources.synthetic import successor
from p5rec.data.split import instances


def synthetic(kind: str, **sizes: object) -> tuple[Corpus, DataConfig]:
    config = DataConfig(source="synthetic", synthetic={"kind": kind, **sizes})
    return build(config)[0], config


def numbers(ids: list[str]) -> np.ndarray:
    return np.asarray([int(i[1:]) for i in ids])


def test_checkerboard_leaves_one_candidate() -> None:
    corpus, _ = synthetic("checkerboard", users=40, items=20, events=10)
    log, item, user = corpus.interactions, numbers(corpus.catalog.ids), numbers(corpus.user_ids)
    assert (item[log.items] % 2 == user[log.users] % 2).all()
    histories, targets, _ = instances(log, corpus.split, "test")
    for b in range(len(histories)):
        own = set(np.flatnonzero(item % 2 == user[histories.users[b]] % 2).tolist())
        assert own - set(histories[b].tolist()) == {targets[b]}


def test_markov_follows_its_successor_p_of_the_time() -> None:
    corpus, config = synthetic("markov", users=300, items=60, events=10, p=0.8)
    log, item = corpus.interactions, numbers(corpus.catalog.ids)
    after = successor(config.synthetic)
    assert sorted(after.tolist()) == list(range(60))
    drawn = item[log.items]
    inside = np.diff(log.users) == 0
    share = (after[drawn[:-1]] == drawn[1:])[inside].mean()
    assert share == pytest.approx(0.8 + 0.2 / 60, abs=0.03)


def test_null_has_no_structure() -> None:
    corpus, config = synthetic("null", users=400, items=50, events=10)
    log, item = corpus.interactions, numbers(corpus.catalog.ids)
    drawn, inside = item[log.items], np.diff(log.users) == 0
    share = (successor(config.synthetic)[drawn[:-1]] == drawn[1:])[inside].mean()
    assert share == pytest.approx(1 / 50, abs=0.01)


@pytest.mark.parametrize(("kind", "result"), [("markov", True), ("null", False)])
def test_ratings_have_a_user_effect_if_planted(kind: str, result: bool) -> None:
    corpus, _ = synthetic(kind, users=400, items=50, events=20)
    log = corpus.interactions
    assert log.ratings is not None
    assert set(np.unique(log.ratings)) <= {1, 2, 3, 4, 5}
    means = np.bincount(log.users, log.ratings) / np.bincount(log.users)
    # under independence the variance of a mean of 20 is a 20th of the ratings' own
    excess = means.var() / (log.ratings.var() / 20)
    assert (excess > 3) == result
    assert result or excess < 1.3


@pytest.mark.parametrize("kind", ["checkerboard", "markov", "null"])
def test_synthetic_data_have_every_field_and_are_reproducible(kind: str) -> None:
    corpus, config = synthetic(kind)
    assert set(corpus.interactions.texts) == {"review", "summary"}
    assert all(t.as_py() for t in corpus.interactions.texts["review"])
    assert set(corpus.catalog.attributes) == {"year", "genres"}
    assert len(set(corpus.catalog.titles)) == len(corpus.catalog)
    again = build(config)[0]
    assert (again.interactions.items == corpus.interactions.items).all()
    other = build(
        config.model_copy(update={"synthetic": config.synthetic.model_copy(update={"seed": 1})})
    )[0]
    assert (
        len(other.interactions) != len(corpus.interactions)
        or (other.interactions.items != corpus.interactions.items).any()
    )


def test_a_checkerboard_too_small() -> None:
    with pytest.raises(UserError, match="at most items / 2 = 5 on a checkerboard, got 6"):
        synthetic("checkerboard", items=10, events=6)
