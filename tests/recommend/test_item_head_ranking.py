"""Ranked lists by the item head, without a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys, tie_order
from p5rec.core.types import Histories
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.ranking import rank
from p5rec.recommend.tables import RankingTables

ITEMS = 24
BY_ITEM_HEAD = DecodeConfig(k=6, search="item-head", batch_tokens=60)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle(scratch(), some_codes(ITEMS), item_head=ItemHeadConfig()).ready()


@pytest.fixture(scope="module")
def histories(make_requests) -> Histories:
    rng = np.random.default_rng(0)
    return make_requests([rng.integers(0, ITEMS, n).tolist() for n in (3, 0, 20, 6, 1)])


@torch.no_grad()
def by_hand(bundle: Bundle, history: np.ndarray) -> np.ndarray:
    """``(N,)``: one request's scores, by a separate forward pass."""
    model = bundle.model
    tokens = np.concatenate([[bundle.bos], bundle.layout.items[history].reshape(-1)])
    embedded, _ = model.embed(torch.from_numpy(tokens)[None])
    scores: np.ndarray = model.item_logs(model.states(inputs_embeds=embedded)[0, -1:])[0].numpy()
    return scores


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_lists_are_the_best_of_all_items(
    bundle: Bundle, histories: Histories, exclude_seen: bool
) -> None:
    recommender = GenerativeRecommender(bundle, BY_ITEM_HEAD, seed=4)
    candidates = np.arange(ITEMS) % 5 != 1
    lists = recommender.recommend(
        histories, 6, exclude_seen=exclude_seen, allowed=Allowed(candidates=candidates)
    )
    for row in range(len(histories)):
        own = histories.take(np.array([row]))
        scores = by_hand(bundle, own.items)[None]
        scores[:, ~candidates] = -np.inf
        items, best = rank(
            scores, 6, tie_order(id_keys(range(ITEMS)), 4), own if exclude_seen else None
        )
        assert lists.items[row].tolist() == items[0].tolist()
        assert lists.scores[row] == pytest.approx(best[0], abs=2e-5)


def test_all_items_are_scored(bundle: Bundle, histories: Histories) -> None:
    lists = GenerativeRecommender(bundle, BY_ITEM_HEAD).item_logs(histories)
    assert lists.dtype == np.float32
    for row in range(len(histories)):
        own = by_hand(bundle, histories[row])
        assert lists[row] == pytest.approx(own, abs=2e-5)


def test_short_lists_end_early(bundle: Bundle, histories: Histories) -> None:
    recommender = GenerativeRecommender(bundle, BY_ITEM_HEAD)
    few = Allowed(allow=ItemLists.joined([[5, 7]] * len(histories)))
    lists = recommender.recommend(histories, 6, exclude_seen=False, allowed=few)
    assert np.array_equal(np.sort(lists.items[:, :2]), np.tile([5, 7], (len(histories), 1)))
    assert (lists.items[:, 2:] == -1).all()


def test_a_model_without_an_item_head_is_refused() -> None:
    plain = make_bundle(scratch(), some_codes(ITEMS)).ready()
    with pytest.raises(UserError, match="expected a model with an item head"):
        GenerativeRecommender(plain, BY_ITEM_HEAD)
    with pytest.raises(UserError, match="expected a model with an item head"):
        RankingTables.build(plain, BY_ITEM_HEAD, 0)


def test_diversity_by_codes_needs_codes() -> None:
    with pytest.raises(ValueError, match="per_prefix compares codes"):
        DecodeConfig(search="item-head", per_prefix=2)
