"""The metrics of basket targets, against loops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, RankedLists, group_numbers
from p5rec.data.split import instances, make_split
from p5rec.evaluate.blocks import main_metrics
from p5rec.evaluate.compare import comparisons
from p5rec.evaluate.measured import average
from p5rec.evaluate.predictions import measure_lists
from p5rec.evaluate.samples import list_samples
from p5rec.metrics.intervals import bootstrap, mean_of

USERS, ITEMS, K = 12, 30, 20


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Users with 2 to 5 baskets of 1 to 14 items, some of them more than once."""
    rng = np.random.default_rng(4)
    rows = [
        (user, item, 10 * user + basket)
        for user in range(USERS)
        for basket in range(2 + user % 4)
        for item in rng.integers(0, ITEMS, rng.integers(1, 15)).tolist()
    ]
    users, items, times = np.array(rows).T
    log = Interactions(
        users.astype(np.int32), items.astype(np.int32), times, None,
        id_keys(range(USERS)), id_keys(range(ITEMS)), baskets=group_numbers(users, times),
    )  # fmt: skip
    table = pa.table(
        {"item": [f"i{n}" for n in range(ITEMS)], "title": [f"T{n}" for n in range(ITEMS)]}
    )
    split = make_split(log, "last-basket")
    return Corpus(log, Catalog(table), Users.of([f"u{n}" for n in range(USERS)]), split)


@pytest.fixture(scope="module")
def lists(corpus: Corpus) -> RankedLists:
    rng = np.random.default_rng(5)
    users = instances(corpus.interactions, corpus.split, "test")[0].users
    items = np.stack([rng.permutation(ITEMS)[:K] for _ in users]).astype(np.int32)
    return RankedLists(users, items, np.sort(rng.random(items.shape), axis=1)[:, ::-1])


def baskets(corpus: Corpus, user: int) -> list[set[int]]:
    log, by_time = corpus.interactions, {}
    for row in np.flatnonzero(log.users == user):
        by_time.setdefault(int(log.times[row]), set()).add(int(log.items[row]))
    return [by_time[time] for time in sorted(by_time)]


def metrics_by_loop(ranked: list[int], wanted: set[int], k: int) -> dict[str, float]:
    ranks = [n for n, item in enumerate(ranked[:k], 1) if item in wanted]
    ideal = sum(1 / np.log2(n + 1) for n in range(1, min(len(wanted), k) + 1))
    return {
        f"Recall@{k}": len(ranks) / len(wanted),
        f"NDCG@{k}": sum(1 / np.log2(n + 1) for n in ranks) / ideal,
        f"HR@{k}": float(bool(ranks)),
        f"MRR@{k}": 1 / ranks[0] if ranks else 0.0,
    }


def test_every_metric_equals_a_loop(corpus: Corpus, lists: RankedLists) -> None:
    found = measure_lists("m", lists, corpus, {}, 0)
    users = [user for user in range(USERS) if len(baskets(corpus, user)) >= 3]
    assert lists.users.tolist() == users
    for k in (5, 10, 20):
        each = [
            metrics_by_loop(items.tolist(), baskets(corpus, user)[-1], k)
            for user, items in zip(users, lists.items, strict=True)
        ]
        for metric in each[0]:
            np.testing.assert_allclose(found.values[metric], [row[metric] for row in each])
            value = found.method.metrics[metric].value
            assert value == pytest.approx(np.mean([row[metric] for row in each]))
    assert list(found.method.metrics)[:4] == ["Recall@5", "NDCG@5", "HR@5", "MRR@5"]
    assert main_metrics("sequential", found.method.metrics) == ("Recall@10", "NDCG@10")


def test_repeat_and_new_slices_equal_a_loop(corpus: Corpus, lists: RankedLists) -> None:
    slices = measure_lists("m", lists, corpus, {}, 0).method.slices
    for name in ("repeat", "new"):
        each = []
        for user, items in zip(lists.users.tolist(), lists.items.tolist(), strict=True):
            *before, last = baskets(corpus, user)
            old = set().union(*before)
            wanted = last & old if name == "repeat" else last - old
            if wanted:
                each.append(metrics_by_loop(items, wanted, 10))
        assert slices[name].n == len(each) > 0
        for metric in ("Recall@10", "NDCG@10"):
            assert slices[name].metrics[metric].value == pytest.approx(
                np.mean([row[metric] for row in each])
            )


def test_intervals_resample_users(corpus: Corpus, lists: RankedLists) -> None:
    found = measure_lists("m", lists, corpus, {}, 3)
    (interval,) = bootstrap(mean_of(found.values["Recall@10"]), lists.users, seed=3)
    measure = found.method.metrics["Recall@10"]
    assert (measure.low, measure.high) == (interval.low, interval.high)


def test_methods_are_averaged_and_compared_by_baskets(corpus: Corpus, lists: RankedLists) -> None:
    reversed_lists = RankedLists(lists.users, lists.items[:, ::-1], lists.scores)
    one, other = (measure_lists("m", each, corpus, {}, 0) for each in (lists, reversed_lists))
    mean = average([one, other], 0)
    both = [each.method.slices["new"].metrics["Recall@10"].value for each in (one, other)]
    assert mean.method.slices["new"].metrics["Recall@10"].value == pytest.approx(np.mean(both))
    opponent = measure_lists("o", reversed_lists, corpus, {}, 0)
    found = comparisons([one, opponent], [("m", "o")], 0)
    assert [each.metric for each in found] == ["Recall@10", "NDCG@10"]


def test_samples_name_the_basket(corpus: Corpus, lists: RankedLists) -> None:
    samples = list_samples("m", lists, corpus, 4, 0)
    for sample in samples:
        user = corpus.user_ids.index(sample.query["user"])
        wanted = {f"T{item}" for item in baskets(corpus, user)[-1]}
        assert set(sample.target.split("; ")) == wanted
        first = next((n for n, title in enumerate(sample.prediction, 1) if title in wanted), None)
        assert sample.correct == (first is not None)
        assert first is None or sample.rank == first
