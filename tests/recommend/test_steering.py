"""Steered lists: any recommender, moved by terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from movie_shelf import InOrder, requests, shelf, with_genre

from p5rec.core.types import RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.recommend.steering.steer import Steered, Steering
from p5rec.tasks.wishes.parse import parse_wish
from p5rec.tasks.wishes.vocabulary import Vocabulary

N, K = 600, 10  # more items than the depth of a search
CATALOG = shelf(N)
MODEL, REQUESTS = InOrder(N), requests(7)


def steering(text: str) -> Steering:
    return Steering.of(parse_wish(text, Vocabulary(CATALOG)).terms)


def lists(own: Steering, **settings: object) -> RankedLists:
    return Steered(MODEL, own).recommend(REQUESTS, K, **settings)


def test_more_of_a_value_raises_its_share_and_keeps_the_order_within() -> None:
    comedy, plain = with_genre(CATALOG, "Comedy"), MODEL.recommend(REQUESTS, K)
    steered = lists(steering("comedy"))
    assert (comedy[steered.items].sum(1) > comedy[plain.items].sum(1)).all()
    all_ranks = MODEL.recommend(REQUESTS, N, exclude_seen=False).items.argsort(1)
    own_ranks = np.take_along_axis(all_ranks, steered.items, axis=1)
    for own, matches in zip(own_ranks, comedy[steered.items], strict=True):
        assert (np.diff(own[matches]) > 0).all()
        assert (np.diff(own[~matches]) > 0).all()


def test_no_excludes_and_only_leaves_nothing_else() -> None:
    horror, war = with_genre(CATALOG, "Horror"), with_genre(CATALOG, "War")
    assert not horror[lists(steering("no horror")).items].any()
    assert war[lists(steering("only war")).items].all()
    both = lists(steering("only war from the 80s")).items
    years = np.array(CATALOG.table.column("year"))
    assert (war[both] & (years[both] >= 1980) & (years[both] <= 1989)).all()


def test_a_strict_wish_is_the_recommender_without_these_items() -> None:
    allowed = Allowed(candidates=~with_genre(CATALOG, "Horror"))
    plain = MODEL.recommend(REQUESTS, K, allowed=allowed)
    assert np.array_equal(lists(steering("no horror")).items, plain.items)


def test_seen_and_forbidden_items_stay_out() -> None:
    candidates = np.arange(N) % 2 == 0
    steered = lists(steering("comedy"), allowed=Allowed(candidates=candidates)).items
    assert (steered % 2 == 0).all()
    assert not (steered == REQUESTS.items[:, None]).any()
    few = lists(steering("only comedy"), allowed=Allowed(candidates=np.arange(N) < 30)).items
    assert ((few >= 0).sum(1) < K).all()  # as many as there are
    assert all(len({*row[row >= 0]}) == (row >= 0).sum() for row in few)


def ranks(own: Steering) -> np.ndarray:
    """``(B, N)``: the rank of each item in the complete steered lists."""
    return Steered(MODEL, own).recommend(REQUESTS, N, exclude_seen=False).items.argsort(1)


@pytest.mark.parametrize("text", ["comedy", "less drama", "older", "lighter"])
def test_more_utility_never_moves_an_item_down(text: str) -> None:
    own = steering(text)
    before = ranks(own)
    rng = np.random.default_rng(0)
    for item in rng.choice(N, 40, replace=False):
        raised = own.utility.copy()
        raised[item] += rng.choice([0.1, 0.5, 1.0, 2.0])
        assert (ranks(replace(own, utility=raised))[:, item] <= before[:, item]).all()


def test_a_list_depends_on_its_request_alone() -> None:
    utility = np.random.default_rng(1).normal(size=(7, N)).astype(np.float32)
    together = Steered(MODEL, Steering(utility)).recommend(REQUESTS, K).items
    for row in range(7):
        rows = np.array([row])
        alone = Steered(MODEL, Steering(utility[rows])).recommend(REQUESTS.take(rows), K).items
        assert np.array_equal(alone[0], together[row])


def test_without_utility_lists_are_the_recommenders_own() -> None:
    nothing = Steering(np.zeros(N, dtype=np.float32))
    assert np.array_equal(lists(nothing).items, MODEL.recommend(REQUESTS, K).items)
