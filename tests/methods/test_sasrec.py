"""SASRec: causal, seeded, and better than popularity where order is planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.sasrec import Sasrec as Method
from p5rec.methods.baselines.sequences import TrainingWindows, length_buckets
from p5rec.metrics import ranking
from p5rec.models.sasrec import Sasrec, SasrecShape

N_ITEMS = 24
SMALL = Method(width=16, dropout=0.1, epochs=15, ema_epochs=1)


def chains(n_users, seed=0):
    """Item i + 1 follows item i; each user has a random first item."""
    starts = np.random.default_rng(seed).integers(0, N_ITEMS, n_users)
    return [(start + np.arange(8)) % N_ITEMS for start in starts]


@pytest.fixture(scope="module")
def dataset(build):
    return build(chains(80), N_ITEMS, held_out=2)


def test_hidden_states_are_causal():
    torch.manual_seed(0)
    network = Sasrec(SasrecShape(N_ITEMS, 16, 2, 2, 10, 0.5)).eval()
    items = torch.randint(0, N_ITEMS, (3, 10))
    other = items.clone()
    other[:, 6:] = (other[:, 6:] + 1) % N_ITEMS
    one, two = network(items), network(other)
    torch.testing.assert_close(one[:, :6], two[:, :6], rtol=0, atol=0)
    assert ((one[:, 6:] - two[:, 6:]).abs().amax(-1) > 0).all()
    torch.testing.assert_close(one.norm(dim=-1), torch.ones(3, 10))


def test_planted_order_is_learned(dataset, make_requests):
    requests, targets = (
        make_requests([own[:7] for own in chains(80)]),
        np.array([c[7] for c in chains(80)]),
    )
    results = {}
    for method in (SMALL, Popularity()):
        lists = method.learn(*dataset).recommend(requests, 10)
        results[method.kind] = ranking.per_user(lists.items, targets, (1,))["HR@1"].mean()
    assert results["sasrec"] > 0.7 > 0.3 > results["popularity"]


def test_training_works_with_sampled_negatives(dataset, make_requests):
    config = SMALL.model_copy(update={"negatives": 8})
    lists = config.learn(*dataset).recommend(make_requests([[3, 4, 5], [20, 21, 22]]), 1)
    assert lists.items[:, 0].tolist() == [6, 23]


def test_the_result_depends_on_the_seed_alone(build, make_requests):
    events, split = build(chains(20), N_ITEMS, held_out=2)
    config = SMALL.model_copy(update={"epochs": 2})
    torch.manual_seed(1)
    one = config.learn(events, split).recommend(make_requests([[1, 2]]), 5)
    torch.manual_seed(2)
    two = config.learn(events, split).recommend(make_requests([[1, 2]]), 5)
    np.testing.assert_array_equal(one.scores, two.scores)
    other = config.learn(events, type(split)(split.name, split.of_event, 9))
    assert (other.recommend(make_requests([[1, 2]]), 5).scores != one.scores).any()


def test_test_events_are_not_used(build, make_requests):
    events, split = build(chains(20), N_ITEMS, held_out=2)
    config = SMALL.model_copy(update={"epochs": 3})
    one = config.learn(events, split)
    np.testing.assert_array_equal(one.lineage.contains(events.event_keys), split.mask("train"))
    changed = replace(events, items=np.where(split.mask("test"), 0, events.items))
    two = config.learn(changed, split)
    lists = [model.recommend(make_requests([[1, 2]]), 5).scores for model in (one, two)]
    np.testing.assert_array_equal(*lists)


def test_an_empty_history_gets_popular_items(dataset, make_requests):
    model = SMALL.model_copy(update={"epochs": 1}).learn(*dataset)
    lists = model.recommend(make_requests([[], [3]]), N_ITEMS)
    assert (np.diff(model.counts[lists.items[0]]) <= 0).all()
    assert np.abs(lists.scores[1][:-1]).max() <= 1.001


def test_windows_contain_training_events_alone(build):
    events, split = build([np.arange(u, u + 2 + u) for u in range(12)], 30, held_out=1)
    train = split.mask("train")
    windows = TrainingWindows(events, split, window=4, batch=8, seed=0)
    for n in range(3):
        n_targets = 0
        for items, _, row, column, after, _ in windows.batches(n):
            assert items.shape[1] <= 5
            assert len(row) <= 8 + 4
            assert (row.unique() == torch.arange(len(items))).all()
            assert (items[row, column] - items[row, after] == 1).all()  # histories ascend by one
            n_targets += len(row)
        lengths = np.bincount(events.users[train])
        most = np.maximum(lengths - 1, 0).sum()
        assert most * 0.6 < n_targets <= most


def test_length_buckets_contain_each_request_once(make_requests):
    requests = make_requests([[1, 2, 3], [], [4], [5, 6, 7, 8, 9], [1] * 6])
    results = {}
    for rows, (items,), last in length_buckets(requests, 6, requests.items):
        assert items.shape[1] in (1, 4, 6)
        for b, row in enumerate(rows):
            results[int(row)] = items[b, : last[b] + 1].tolist()
    assert results == {b: requests[b].tolist() for b in (0, 2, 3, 4)}
