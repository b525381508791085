"""Personal frequency: alone, with popularity behind it, and blended with neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p5rec.core.rng import id_keys
from p5rec.core.types import Histories, Interactions, Split, group_numbers
from p5rec.data.split import histories_of, instances, make_split
from p5rec.methods.baselines.frequency import (
    SMOOTHING,
    FrequencyPredictor,
    PersonalFrequency,
    PersonalGeneralFrequency,
)
from p5rec.methods.baselines.tifu_knn import TifuKnn
from p5rec.methods.predictors import ScoresItems

ITEMS = 9


def log_of(users: list[list[list[int]]]) -> Interactions:
    """Events of users, each a list of baskets."""
    rows = [
        (user, item, basket)
        for user, baskets in enumerate(users)
        for basket, items in enumerate(baskets)
        for item in items
    ]
    owners, items, times = np.array(rows).T
    keys = id_keys(range(len(users))), id_keys(range(ITEMS))
    return Interactions(
        owners.astype(np.int32), items.astype(np.int32), times, None, *keys,
        baskets=group_numbers(owners, times),
    )  # fmt: skip


def request(*baskets: list[int]) -> Histories:
    """A request without a known user."""
    items = np.array([item for basket in baskets for item in basket], dtype=np.int32)
    number = np.repeat(np.arange(len(baskets)), [len(basket) for basket in baskets])
    offsets = np.array([0, len(items)])
    return Histories(np.array([-1], np.int32), items, offsets, None, number)


def random_users(seed: int, users: int = 14) -> list[list[list[int]]]:
    rng = np.random.default_rng(seed)
    return [
        [rng.integers(0, ITEMS, rng.integers(1, 5)).tolist() for _ in range(rng.integers(1, 12))]
        for _ in range(users)
    ]


def everything(log: Interactions) -> Split:
    return Split("by hand", np.zeros(len(log), dtype=np.int8), seed=1)


def test_personal_frequency_counts_baskets() -> None:
    log = log_of([[[0, 1]], [[2]]])
    model = PersonalFrequency().learn(log, everything(log))
    result = model.recommend(request([5, 5, 3], [5, 3], [5, 7]), 4, exclude_seen=False)
    assert result.items[0, :3].tolist() == [5, 3, 7]
    assert result.scores[0].tolist() == [4, 3, 2, 0]
    assert not len(model.lineage.events)


def test_recent_baskets_may_count_more() -> None:
    log = log_of([[[0]]])
    model = PersonalFrequency(half_life=1.0).learn(log, everything(log))
    result = model.recommend(request([3, 4], [3], [4], [2]), 3, exclude_seen=False)
    assert result.items[0].tolist() == [2, 4, 3]
    assert result.scores[0].tolist() == [2, 1.625, 1.375]


def test_popular_items_follow_personal_ones() -> None:
    log = log_of([[[0, 1], [0, 2], [0]], [[1], [0]]])
    model = PersonalGeneralFrequency().learn(log, everything(log))
    result = model.recommend(request([8], [8, 2]), 4, exclude_seen=False)
    assert result.items[0].tolist() == [8, 2, 0, 1]
    new = model.recommend(request([8], [8, 2]), 2)
    assert new.items[0].tolist() == [0, 1]


def vector(baskets: list[list[int]], method: TifuKnn) -> np.ndarray:
    """A user's vector, basket by basket."""
    n, m = len(baskets), min(method.groups, len(baskets))
    result, at = np.zeros(ITEMS), 0
    for g in range(m):
        size = n // m + (g >= m - n % m)
        group = np.zeros(ITEMS)
        for j, basket in enumerate(baskets[at : at + size]):
            group[list(set(basket))] += method.within_decay ** (size - 1 - j) / size
        result += method.group_decay ** (m - 1 - g) * group / m
        at += size
    assert at == n
    return result


@pytest.mark.parametrize("groups", [1, 3, 7, 20])
def test_tifu_knn_by_loop(groups: int, tmp_path: Path) -> None:
    method = TifuKnn(groups=groups, within_decay=0.8, group_decay=0.6, neighbours=4, alpha=0.35)
    users = random_users(groups)
    log = log_of(users)
    model = method.learn(log, everything(log))
    table = np.stack([vector(baskets, method) for baskets in users])
    np.testing.assert_allclose(model.users.toarray(), table, rtol=1e-6)
    result = model.scores(histories_of(log))
    for user, own in enumerate(table):
        distance = np.square(table - own).sum(axis=1)
        distance[user] = np.inf
        near = table[np.argsort(distance)[:4]].mean(axis=0)
        np.testing.assert_allclose(result[user], 0.35 * own + 0.65 * near, rtol=1e-5, atol=1e-6)
    model.save(tmp_path)
    np.testing.assert_array_equal(method.load(tmp_path).scores(histories_of(log)), result)


def test_new_users_have_neighbours() -> None:
    users = random_users(3)
    log = log_of(users)
    method = TifuKnn(neighbours=3)
    model = method.learn(log, everything(log))
    baskets = [[1, 2], [2, 7], [0]]
    table = np.stack([vector(each, method) for each in users])
    own = vector(baskets, method)
    near = table[np.argsort(np.square(table - own).sum(axis=1))[:3]].mean(axis=0)
    np.testing.assert_allclose(
        model.scores(request(*baskets))[0], 0.7 * own + 0.3 * near, rtol=1e-5, atol=1e-6
    )
    assert model.scores(request())[0].tolist() == np.bincount(log.items, minlength=ITEMS).tolist()


def test_held_out_baskets_are_not_used() -> None:
    log = log_of(random_users(5))
    split = make_split(log, "last-basket")
    model = TifuKnn().learn(log, split)
    train = split.mask("train")
    assert model.lineage.contains(log.event_keys).tolist() == train.tolist()
    histories, _, _ = instances(log, split, "valid")
    alone = [model.scores(histories.take(np.array([b])))[0] for b in range(len(histories))]
    np.testing.assert_array_equal(model.scores(histories), alone)


def test_tifu_knn_scores_agree_over_another_catalogue() -> None:
    log = log_of(random_users(6))
    model = TifuKnn(neighbours=4).learn(log, everything(log))
    assert isinstance(model, ScoresItems)
    requests = request([2, 5], [5], [7])
    logs, scores = model.item_logs(requests)[0], model.scores(requests)[0]
    np.testing.assert_allclose(logs, np.log1p(scores / scores.max() / SMOOTHING), rtol=1e-5)
    row_of = np.array([7, -1, 5, 2, *(item for item in range(ITEMS) if item not in (2, 5, 7))])
    items = np.array([np.flatnonzero(row_of == item)[0] for item in requests.items], np.int32)
    result = model.over(row_of).item_logs(replace(requests, items=items))[0]
    np.testing.assert_allclose(result[row_of >= 0], logs[row_of[row_of >= 0]], rtol=1e-5)
    assert result[1] == 0
    nothing = model.over(row_of).scores(request())[0]
    assert nothing.tolist() == [0 if row < 0 else model.counts[row] for row in row_of]


def test_items_outside_the_history_score_zero_in_a_fusion(make_requests: Any) -> None:
    behind, tie = np.zeros(5, dtype=np.float32), np.arange(5)
    predictor = FrequencyPredictor(behind, tie, None)
    assert isinstance(predictor, ScoresItems)
    logs = predictor.item_logs(make_requests([[3, 1, 1, 2], []]))
    assert logs.dtype == np.float32
    assert logs[1].tolist() == [0] * 5
    assert logs[0] == pytest.approx(
        [0, *np.log1p([1 / SMOOTHING, 0.5 / SMOOTHING, 0.5 / SMOOTHING]), 0]
    )
    new = predictor.over(np.array([4, -1, -1]))
    assert (new.item_logs(make_requests([[1]]))[0] > 0).tolist() == [False, True, False]


def test_one_fit_serves_every_half_life(build: Any, make_requests: Any, tmp_path: Path) -> None:
    dataset = build([[0, 1, 2], [3, 4]], 5)
    PersonalFrequency().learn(*dataset).save(tmp_path)
    late = PersonalFrequency(half_life=2)
    assert late.fit_settings() == PersonalFrequency().fit_settings()
    requests = make_requests([[3, 1, 1]])
    loaded = late.load(tmp_path).scores(requests)
    assert np.array_equal(loaded, late.learn(*dataset).scores(requests))
