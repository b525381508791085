"""BPR's loss and negatives; early stopping, averages and products of trained baselines."""

import numpy as np
import torch

from p5rec.core.rng import id_keys
from p5rec.methods.baselines import bpr_training
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.bpr_training import Factors
from p5rec.methods.baselines.fitting import products, train, with_average

SMALL = Bpr(factors=8, epochs=15, learning_rate=0.02)


def colours(n_users):
    """Users of two kinds, each with half of the items of their kind."""
    rng = np.random.default_rng(0)
    return [2 * rng.permutation(15)[:8] + user % 2 for user in range(n_users)]


def test_the_loss_by_hand():
    model = Factors(2, 3, 2)
    with torch.no_grad():
        model.users.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        model.items.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        model.bias.weight.copy_(torch.tensor([[0.5], [0.0], [0.0]]))
    margin = np.array([1.0 + 0.5, 2.0])
    squares = np.array([1 + 1 + 1, 4 + 1 + 0])
    wanted = (np.log1p(np.exp(-margin)) + 0.1 * squares).mean()
    lags = model.loss(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 2]), 0.1)
    np.testing.assert_allclose(lags.item(), wanted, rtol=1e-6)


def test_negatives_are_items_without_an_event_of_the_user():
    users = torch.tensor([0] * 500 + [1] * 500)
    known_pairs = np.array([0, 1, 2, 10 + 9])  # user 0 has items 0, 1, 2; user 1 has item 9
    negatives = bpr_training._sampled_negatives(
        users, 10, known_pairs, id_keys(range(1000)), 0
    ).numpy()
    assert np.bincount(negatives[:500], minlength=10)[:3].sum() <= 10  # three redraws
    assert np.bincount(negatives[500:], minlength=10)[9] == 0
    assert len(np.unique(negatives[500:])) == 9


def test_the_result_depends_on_the_seed_alone(build, make_requests):
    events, split = build(colours(30), 30, held_out=2)
    torch.manual_seed(1)
    one = SMALL.learn(events, split).recommend(make_requests([[1]]), 5)
    torch.manual_seed(2)
    two = SMALL.learn(events, split).recommend(make_requests([[1]]), 5)
    np.testing.assert_array_equal(one.scores, two.scores)
    other = SMALL.learn(events, type(split)(split.name, split.of_event, 9))
    assert (other.recommend(make_requests([[1]]), 5).scores != one.scores).any()


def test_a_user_without_training_events_gets_popular_items(build, make_requests):
    events, split = build([[0, 1, 2], [1, 2], [2], []], 4)
    lists = SMALL.learn(events, split).recommend(make_requests([[]], users=[3]), 3)
    assert lists.items[0].tolist() == [2, 1, 0]


def test_early_stopping_restores_the_best_epoch():
    model = torch.nn.Linear(1, 1)
    metrics = iter([0.1, 0.3, 0.2, 0.1, 0.9])
    seen = []

    def train_epoch(n):
        with torch.no_grad():
            model.weight.fill_(n)
        seen.append(n)
        return 0.0

    train(model, train_epoch, lambda: next(metrics), epochs=9, patience=2, name="test")
    assert seen == [0, 1, 2, 3]
    assert model.weight.item() == 1


def test_the_average_lags_by_its_window_and_less_at_first():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0)
    copy, mean = with_average(network, steps=20)
    lags = []
    for step in range(400):
        network.weight.data.fill_(step)
        mean.update()
        lags.append(step - copy.weight.item())
    assert lags[9] < 2
    assert 18 < lags[-1] < 20  # a mean of the last 20 or so lies that far behind
    assert not copy.weight.requires_grad


def test_products_do_not_depend_on_other_rows():
    rng = np.random.default_rng(0)
    vectors, table = (rng.normal(size=(n, 17)).astype(np.float32) for n in (75, 201))
    together = products(vectors, table)
    np.testing.assert_allclose(together, vectors @ table.T, rtol=1e-4, atol=1e-5)
    for b in range(75):
        np.testing.assert_array_equal(products(vectors[b : b + 1], table)[0], together[b])
