"""Item-to-item weights: their fit, their predictions, and over another catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Histories, Interactions, Split
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.item_to_item import SMOOTHING, ItemToItem, ItemToItemPredictor, largest
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.predictors import ScoresItems

MakeRequests = Callable[..., Histories]

ITEMS, UNKNOWN = 24, 11
HISTORIES = [[1, 2, 2, 5], [], [7], [23, 0]]


@pytest.fixture(scope="module")
def dataset() -> tuple[Interactions, Split]:
    rng = np.random.default_rng(0)
    users, events = 30, 9
    owner = np.repeat(np.arange(users, dtype=np.int32), events)
    items = (ITEMS * rng.random(users * events) ** 1.5).astype(np.int32)
    splits = np.full(users * events, TRAIN, dtype=np.int8)
    splits[events - 2 :: events], splits[events - 1 :: events] = VALID, TEST
    times = np.tile(np.arange(events), users)
    log = Interactions(owner, items, times, None, id_keys(range(users)), id_keys(range(ITEMS)))
    return log, Split("leave-one-out", splits)


@pytest.fixture
def predictor() -> ItemToItemPredictor:
    weights = np.random.default_rng(0).normal(size=(ITEMS, ITEMS)).astype(np.float32)
    weights[np.abs(weights) < 0.7] = 0
    weights[7] = 0  # it predicts no other item
    weights[:, UNKNOWN] = 0  # and none predicts this one
    events = np.arange(ITEMS, dtype=np.float32)
    return ItemToItemPredictor(csr_array(weights), events, np.arange(ITEMS))


def by_hand(predictor: ItemToItemPredictor, history: list[int]) -> np.ndarray:
    matrix = predictor.weights.toarray()
    scores = np.maximum(sum((matrix[i] for i in set(history)), np.zeros(ITEMS)), 0)
    shares = scores / scores.max() if scores.max() > 0 else scores
    logs: np.ndarray = np.log(shares + SMOOTHING)
    logs[UNKNOWN] = np.nan
    return logs


def test_large_catalogues_use_item_knn(
    dataset: tuple[Interactions, Split],
) -> None:
    weights = Ease(l2=3).learn(*dataset).weights
    result = ItemToItem(l2=3, max_items=ITEMS).learn(*dataset)
    assert np.array_equal(result.weights.toarray(), weights)
    near = ItemKnn(neighbours=5).learn(*dataset).similar.toarray()
    for settings in ({"max_items": ITEMS - 1}, {"weights": "item-knn"}):
        result = ItemToItem(max_neighbours=5, **settings).learn(*dataset)
        assert np.array_equal(result.weights.toarray(), near)
    with pytest.raises(UserError, match=f"expected at most {ITEMS - 1} items, got {ITEMS}"):
        ItemToItem(weights="ease", max_items=ITEMS - 1).learn(*dataset)


def test_query_settings_share_a_fit(
    dataset: tuple[Interactions, Split], tmp_path: Path, make_requests: MakeRequests
) -> None:
    ItemToItem(max_neighbours=5, half_life=2).learn(*dataset).save(tmp_path)
    other = ItemToItem(max_neighbours=5, half_life=8, popularity_discount=0.5)
    assert other.fit_settings() == ItemToItem(max_neighbours=5).fit_settings()
    assert other.fit_settings() != ItemToItem(max_neighbours=6).fit_settings()
    loaded, learned = other.load(tmp_path), other.learn(*dataset)
    assert isinstance(loaded, ScoresItems)
    requests = make_requests(HISTORIES)
    assert np.array_equal(loaded.item_logs(requests), learned.item_logs(requests), equal_nan=True)
    first = learned.recommend(requests, 6)
    assert np.array_equal(loaded.recommend(requests, 6).scores, first.scores)


def test_weights_are_discounted_by_popularity(
    predictor: ItemToItemPredictor,
) -> None:
    halved = replace(predictor, popularity_discount=0.5).discounted.toarray()
    root = np.sqrt(np.maximum(predictor.events, 1))
    assert np.allclose(halved * root, predictor.weights.toarray(), rtol=1e-5, atol=0)


def test_pruning_selects_the_largest_absolute_weights() -> None:
    weights = np.array([[0, -5, 2, 1], [3, 0, 0, 0], [1, -2, 0, -3], [4, 3, 2, 0]], np.float32)
    assert largest(weights, 2).toarray().tolist() == [
        [0, -5, 2, 0], [3, 0, 0, 0], [0, -2, 0, -3], [4, 3, 0, 0]
    ]  # fmt: skip
    assert np.array_equal(largest(weights, 9).toarray(), weights)


def test_scores_are_summed_over_a_history(
    predictor: ItemToItemPredictor, make_requests: MakeRequests
) -> None:
    result = predictor.item_logs(make_requests(HISTORIES))
    assert result.dtype == np.float32
    for row, history in zip(result, HISTORIES, strict=True):
        assert row == pytest.approx(by_hand(predictor, history), abs=1e-5, nan_ok=True)
    known = np.delete(result, UNKNOWN, axis=1)
    assert len(set(known[1])) == len(set(known[2])) == 1
    scores = predictor.scores(make_requests(HISTORIES))
    assert (scores[:, UNKNOWN] == scores.min()).all()


def test_scores_do_not_depend_on_other_requests(
    predictor: ItemToItemPredictor, make_requests: MakeRequests
) -> None:
    recent = replace(predictor, half_life=2.0)
    together = recent.item_logs(make_requests(HISTORIES))
    for row, history in zip(together, HISTORIES, strict=True):
        assert np.array_equal(recent.item_logs(make_requests([history]))[0], row, equal_nan=True)
    assert not np.array_equal(
        together, predictor.item_logs(make_requests(HISTORIES)), equal_nan=True
    )


def test_scores_over_another_catalogue_agree_on_known_items(
    predictor: ItemToItemPredictor, make_requests: MakeRequests
) -> None:
    row_of = np.array([5, -1, 1, 2, 0])
    moved, known = predictor.over(row_of), row_of >= 0
    matrix, other = predictor.weights.toarray(), moved.weights.toarray()
    assert np.array_equal(other[np.ix_(known, known)], matrix[np.ix_(row_of[known], row_of[known])])
    assert not other[~known].any()
    assert not other[:, ~known].any()
    assert moved.events.tolist() == [5, 0, 1, 2, 0]
    assert np.isnan(moved.item_logs(make_requests([[0, 3]]))[0, 1])
