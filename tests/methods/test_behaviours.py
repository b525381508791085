"""Views and carts besides purchases: their weights, and where they improve recommendations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.data.build import build as built
from p5rec.data.config import DataConfig
from p5rec.data.matrices import history_matrix, training_matrix
from p5rec.data.split import histories_of, instances
from p5rec.data.windows import Windows
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.methods.baselines.sequences import TrainingWindows
from p5rec.metrics import ranking
from p5rec.metrics.slices import slices

WEIGHTS = (1.0, 0.5, 0.2)
TASTES, EACH, USERS = 8, 10, 240


def mixed(log: Interactions, done: str) -> Interactions:
    """The events with behaviours: b for bought, c for put into a cart, v for viewed."""
    codes = np.array(["bcv".index(letter) for letter in done.replace(" ", "")], dtype=np.int8)
    named = Behaviours(codes, ("buy", "cart", "view"), ("buy",), WEIGHTS)
    return replace(log, behaviours=named)


def test_matrices_weight_behaviours(build: Any) -> None:
    log, split = build([[0, 1, 1, 2, 0], [2, 2]], 3)
    log = mixed(log, "vvbcc vv")
    results = training_matrix(log, split).toarray()
    np.testing.assert_allclose(results, [[0.5, 1, 0.5], [0, 0, 0.2]])
    histories = replace(histories_of(log), keys=None)
    np.testing.assert_allclose(history_matrix(histories, 3).toarray(), results)
    fading = history_matrix(histories, 3, half_life=1).toarray()
    np.testing.assert_allclose(fading, [[0.5, 0.25, 0.25], [0, 0, 0.2]])


def test_a_behaviour_of_weight_0_is_left_out(build: Any) -> None:
    log, split = build([[0, 1], [1, 2]], 3)
    done = Behaviours(np.array([0, 1, 0, 0], dtype=np.int8), ("buy", "view"), ("buy",), (1.0, 0.0))
    assert training_matrix(replace(log, behaviours=done), split).nnz == 3


def test_popularity_counts_targets_alone(build: Any) -> None:
    log, split = build([[0, 1, 1], [1, 1, 2]], 3)
    assert Popularity().learn(mixed(log, "bvv vvb"), split).counts.tolist() == [1, 0, 1]


@pytest.mark.parametrize("method", [Popularity(), Ease(l2=1), ItemKnn()])
def test_a_view_does_not_hide_an_item(build: Any, method: Any) -> None:
    """Seen items are those of target events: what was viewed may be recommended."""
    log, split = build([[0, 1, 2], [1, 2, 3], [0, 3]], 4)
    log = mixed(log, "bvb vbb bb")
    lists = method.learn(log, split).recommend(histories_of(log), 4)
    listed = [set(own[own >= 0].tolist()) for own in lists.items]
    assert listed == [{1, 3}, {0, 1}, {1, 2}]


def test_sasrec_predicts_target_behaviours_alone(build: Any) -> None:
    rng = np.random.default_rng(0)
    log, split = build([np.arange(u, u + 2 + u) for u in range(12)], 30)
    log = mixed(log, "".join(rng.choice(list("bvc"), len(log))))
    pairs = zip(log.users, log.items, strict=True)
    target_of = dict(zip(pairs, log.is_target.tolist(), strict=True))
    windows = TrainingWindows(log, split, window=4, batch=8, seed=0)
    n_targets = 0
    for items, _, rows, columns, *_ in windows.batches(0):
        assert len(rows)
        n_targets += len(rows)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            own = items[row].tolist()
            users = [u for u in range(12) if {(u, i) in target_of for i in own} == {True}]
            assert any(target_of[u, own[column]] for u in users)
    assert 0 < n_targets < log.is_target.sum()


@pytest.mark.parametrize("method", [Bpr(epochs=2, factors=4), Sasrec(epochs=2, width=8, heads=2)])
def test_trained_methods_run_on_mixed_logs(build: Any, method: Any) -> None:
    rng = np.random.default_rng(1)
    log, split = build([rng.integers(0, 12, 8) for _ in range(30)], 12)
    log = mixed(log, "".join(rng.choice(list("bvv"), len(log))))
    fitted = method.learn(log, split)
    taken = np.bincount(log.items[log.is_target], minlength=12)
    assert (fitted.counts == taken).all()
    assert len(fitted.lineage.events) == len(log)
    assert np.isfinite(fitted.recommend(histories_of(log), 3).scores).all()


def test_windows_without_a_target_are_left_out(build: Any) -> None:
    log, split = build([[0, 1, 2], [3, 4, 5], [6, 7]], 8)
    windows = Windows(mixed(log, "bvv vvb vc"), split, 5, None, 0)
    assert windows.epoch_windows == 1
    assert windows.draw(0)[0].tolist() == [3, 4, 5]
    assert windows.is_target(np.array([3, 4, 5])).tolist() == [False, False, True]


def test_a_repeat_is_of_a_target(build: Any) -> None:
    log, split = build([[0, 1, 0, 1]], 2)
    log = mixed(log, "vbbb")
    events = np.array([2, 3])
    results = slices(np.zeros(2, int), log.items[events], log, split, events)
    assert results["repeat"].tolist() == [False, True]


def test_sasrec_distinguishes_behaviours(build: Any, tmp_path: Path) -> None:
    """By name, in any order, or a subset of them."""
    rng = np.random.default_rng(2)
    log, split = build([rng.integers(0, 12, 8) for _ in range(30)], 12)
    log = mixed(log, "".join(rng.choice(list("bvc"), len(log))))
    fitted = Sasrec(epochs=2, width=8, heads=2).learn(log, split)
    assert fitted.behaviours == ("buy", "cart", "view")
    histories = histories_of(log)
    lists = fitted.recommend(histories, 12, exclude_seen=False)
    fitted.save(tmp_path)
    served = Sasrec(epochs=2, width=8, heads=2).load(tmp_path)
    reversed_order = Behaviours(
        (2 - log.behaviours.codes), ("view", "cart", "buy"), ("buy",), WEIGHTS
    )
    again = served.recommend(replace(histories, behaviours=reversed_order), 12, exclude_seen=False)
    np.testing.assert_array_equal(lists.scores, again.scores)
    as_bought = replace(reversed_order, codes=np.full_like(reversed_order.codes, 2))
    alone = [
        served.recommend(replace(histories, behaviours=done), 12, exclude_seen=False).scores
        for done in (None, as_bought)
    ]
    np.testing.assert_array_equal(*alone)
    assert (alone[0] != lists.scores).any()
    unknown = Behaviours(reversed_order.codes, ("view", "wish", "buy"), ("buy",), WEIGHTS)
    with pytest.raises(UserError, match=r"buy, cart, view.*got 'wish'"):
        served.recommend(replace(histories, behaviours=unknown), 12)


def write_data(folder: Path, *, planted: bool, seed: int) -> tuple[Corpus, Corpus]:
    """A shop's log, and its purchases alone, with the same users, items and held-out events.

    A user has one taste and buys four items, each of the taste with probability 0.75. Four views
    and a cart precede each purchase: of the taste if planted, else of random items.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, int, str]] = []

    def item(taste: int | None) -> str:
        if taste is None:
            return f"i{rng.integers(TASTES * EACH)}"
        return f"i{taste * EACH + rng.integers(EACH)}"

    for user in range(USERS):
        taste, t = user % TASTES, 0
        for _ in range(4):
            for done in ("view", "view", "cart", "view", "view", "buy"):
                of_taste = rng.random() < 0.75 if done == "buy" else planted
                rows.append((f"u{user}", item(taste if of_taste else None), t, done))
                t += 1
    frame = pl.DataFrame(rows, schema=["user", "item", "time", "event"], orient="row")
    items = folder / "items.csv"
    names = pl.Series("item", [f"i{n}" for n in range(TASTES * EACH)])
    pl.DataFrame([names, names.alias("title")]).write_csv(items)
    more = {"source": "table", "items": {"path": str(items)}, "catalog": "table"}
    behaviour = {"column": "event", "targets": ["buy"], "weights": {"view": 0.2, "cart": 0.5}}
    results = []
    for name, frame_of in (("all", frame), ("bought", frame.filter(pl.col("event") == "buy"))):
        frame_of.write_csv(folder / f"{name}.csv")
        path = str(folder / f"{name}.csv")
        config = DataConfig(**more, path=path, behaviour=behaviour if name == "all" else None)
        results.append(built(config)[0])
    return results[0], results[1]


def ndcg(method: Any, corpus: Corpus) -> np.ndarray:
    """``(U,)`` NDCG@10 of each test user."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    lists = method.learn(corpus.interactions, corpus.split).recommend(histories, 10)
    results: np.ndarray = ranking.per_user(lists.items, targets, (10,))["NDCG@10"]
    return results


def interval(differences: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean."""
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    return float(mean - 1.96 * error), float(mean + 1.96 * error)


@pytest.mark.parametrize(
    "method", [Ease(l2=20), ItemKnn(neighbours=20), Sasrec(width=16, epochs=30, ema_epochs=2)]
)
def test_views_help_where_they_are_informative(method: Any, tmp_path: Path) -> None:
    for planted in (True, False):
        everything, bought = write_data(tmp_path, planted=planted, seed=3)
        assert everything.user_ids == bought.user_ids
        targets = [
            instances(each.interactions, each.split, "test")[1] for each in (everything, bought)
        ]
        assert (targets[0] == targets[1]).all()
        low, high = interval(ndcg(method, everything) - ndcg(method, bought))
        assert low > 0 if planted else low <= 0, (planted, low, high)


def test_views_after_the_first_held_out_purchase_are_not_used(tmp_path: Path) -> None:
    """They are neither training events nor part of histories."""
    everything, _ = write_data(tmp_path, planted=True, seed=1)
    log, split = everything.interactions, everything.split
    late = split.of_event < 0
    assert late.any()
    changed = replace(log, items=np.where(late, 0, log.items).astype(np.int32))
    before, after = (_lists(each, split) for each in (log, changed))
    assert (before == after).all()


def _lists(log: Interactions, split: Split) -> np.ndarray:
    histories, _, _ = instances(log, split, "test")
    results: np.ndarray = Ease(l2=20).learn(log, split).recommend(histories, 10).items
    return results
