"""BPR, and what trained baselines share: its loss, its negatives, when training ends, products."""

import numpy as np
import torch

from p5rec.core.rng import id_keys
from p5rec.methods.baselines import bpr_training
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.bpr_training import Factors
from p5rec.methods.baselines.fitting import with_average, products, train

SMALL = Bpr(factors=8, epochs=15, learning_rate=0.02)


def colours(n_users):
    """Users of two kinds, each with half of the items of its own kind."""
    rng = np.random.default_rng(0)
    return [2 * rng.permutation(15)[:8] + user % 2 for user in range(n_users)]


def test_the_loss_by_hand():
    model = Factors(2, 3, 2)
    with torch.no_grad():
        model.users.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        model.items.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        model.bias.weight.copy_(torch.tensor([[0.5], [0.0], [0.0]]))
    apart = np.array([1.0 + 0.5, 2.0])
    squares = np.array([1 + 1 + 1, 4 + 1 + 0])
    wanted = (np.log1p(np.exp(-apart)) + 0.1 * squares).mean()
    found = model.loss(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 2]), 0.1)
    np.testing.assert_allclose(found.item(), wanted, rtol=1e-6)


def test_negatives_are_items_that_the_user_has_not():
    users = torch.tensor([0] * 500 + [1] * 500)
    taken = np.array([0, 1, 2, 10 + 9])  # user 0 has items 0, 1, 2; user 1 has item 9
    drawn = bpr_training._sampled_negatives(users, 10, taken, id_keys(range(1000)), 0).numpy()
    assert np.bincount(drawn[:500], minlength=10)[:3].sum() <= 10  # three redraws
    assert np.bincount(drawn[500:], minlength=10)[9] == 0
    assert len(np.unique(drawn[500:])) == 9


def test_the_seed_and_nothing_else_moves_it(build, ask):
    events, split = build(colours(30), 30, held_out=2)
    torch.manual_seed(1)
    one = SMALL.learn(events, split).recommend(ask([[1]]), 5)
    torch.manual_seed(2)
    two = SMALL.learn(events, split).recommend(ask([[1]]), 5)
    np.testing.assert_array_equal(one.scores, two.scores)
    other = SMALL.learn(events, type(split)(split.name, split.of_event, 9))
    assert (other.recommend(ask([[1]]), 5).scores != one.scores).any()


def test_a_user_without_training_events_gets_what_is_popular(build, ask):
    events, split = build([[0, 1, 2], [1, 2], [2], []], 4)
    lists = SMALL.learn(events, split).recommend(ask([[]], users=[3]), 3)
    assert lists.items[0].tolist() == [2, 1, 0]


def test_training_ends_when_validation_does_and_keeps_the_best():
    model = torch.nn.Linear(1, 1)
    figures = iter([0.1, 0.3, 0.2, 0.1, 0.9])
    seen = []

    def one_pass(n):
        with torch.no_grad():
            model.weight.fill_(n)
        seen.append(n)
        return 0.0

    train(model, one_pass, lambda: next(figures), epochs=9, patience=2, name="test")
    assert seen == [0, 1, 2, 3]
    assert model.weight.item() == 1


def test_the_average_follows_and_does_not_lag_at_first():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0)
    copy, mean = with_average(network, steps=20)
    found = []
    for step in range(400):
        network.weight.data.fill_(step)
        mean.update()
        found.append(step - copy.weight.item())
    assert found[9] < 2
    assert 18 < found[-1] < 20  # a mean of the last 20 or so lies that far behind
    assert not copy.weight.requires_grad


def test_products_do_not_depend_on_their_neighbours():
    rng = np.random.default_rng(0)
    vectors, table = (rng.normal(size=(n, 17)).astype(np.float32) for n in (75, 201))
    together = products(vectors, table)
    np.testing.assert_allclose(together, vectors @ table.T, rtol=1e-4, atol=1e-5)
    for b in range(75):
        np.testing.assert_array_equal(products(vectors[b : b + 1], table)[0], together[b])
