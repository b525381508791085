import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.methods.baselines.factors import MatrixFactorization
from p5rec.methods.baselines.rating import Bias
from p5rec.methods.predictors import EmbedsItems, PredictsRatings
from p5rec.methods.registry import baseline
from p5rec.methods.tune import by_rmse
from p5rec.tasks.rating import RATING

ITEMS = [[0, 1, 2], [0, 1], [2, 3]]
RATINGS = [[5.0, 3.0, 1.0], [4.0, 4.0], [2.0, 1.0]]  # the last of each user is held out


@pytest.fixture(scope="module")
def world(build):
    return build(ITEMS, 5, held_out=1, ratings=RATINGS)


def predict(name, world, ask, users, items):
    return (
        baseline(name)
        .learn(*world)
        .predict_rating(ask([[]] * len(users), users=users), np.array(items))
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("global-mean", [3.5, 3.5, 3.5]),  # of 5, 3, 4, 2
        ("user-mean", [4.0, 4.0, 2.0]),
        ("item-mean", [4.5, 3.5, 2.0]),  # item 4 has no training rating
    ],
)
def test_means_by_hand(name, expected, world, ask):
    np.testing.assert_allclose(predict(name, world, ask, [0, 1, 2], [0, 4, 2]), expected, rtol=1e-6)


@pytest.mark.parametrize("name", RATING.references)
class TestContract:
    def test_protocol_and_lineage(self, name, world):
        model = baseline(name).learn(*world)
        assert isinstance(model, PredictsRatings)
        events, split = world
        np.testing.assert_array_equal(model.lineage.contains(events.event_keys), split.mask("train"))

    def test_items_have_vectors_where_the_method_says_so(self, name, world):
        method = baseline(name)
        model = method.learn(*world)
        assert isinstance(model, EmbedsItems) == method.embeds_items
        if method.embeds_items:
            table = model.item_vectors()
            assert (table.shape, table.dtype) == ((5, method.factors), np.float32)
            # items 3 and 4 have no training event
            assert np.isnan(table).all(axis=1).tolist() == [False, False, False, True, True]

    def test_a_batch_equals_its_requests_alone(self, name, world, ask):
        users, items = [0, 2, 1, 0], [4, 1, 3, 3]
        together = predict(name, world, ask, users, items)
        alone = [predict(name, world, ask, [u], [i])[0] for u, i in zip(users, items, strict=True)]
        np.testing.assert_array_equal(together, alone)
        assert together.dtype == np.float32

    def test_held_out_ratings_are_not_seen(self, name, world, ask, build):
        other = build(ITEMS, 5, held_out=1, ratings=[[5, 3, 5], [4, 1], [2, 5]])
        np.testing.assert_array_equal(
            predict(name, world, ask, [0, 1, 2], [2, 1, 3]),
            predict(name, other, ask, [0, 1, 2], [2, 1, 3]),
        )

    def test_unknown_rows_are_refused(self, name, world, ask):
        with pytest.raises(ValueError, match="user rows 0 to 2, got 3"):
            predict(name, world, ask, [3], [0])
        with pytest.raises(ValueError, match="item rows 0 to 4, got 5"):
            predict(name, world, ask, [0], [5])

    def test_a_log_without_ratings_is_one_clear_line(self, name, build):
        with pytest.raises(UserError, match="expected training events with ratings, got none"):
            baseline(name).learn(*build(ITEMS, 5))

    def test_saved_and_loaded_to_the_bit(self, name, world, ask, tmp_path):
        model = baseline(name).learn(*world)
        model.save(tmp_path)
        pairs = ask([[]] * 15, users=np.repeat(np.arange(3), 5)), np.tile(np.arange(5), 3)
        loaded = baseline(name).load(tmp_path).predict_rating(*pairs)
        np.testing.assert_array_equal(model.predict_rating(*pairs), loaded)


def test_biases_find_planted_ones(build, ask):
    rng = np.random.default_rng(0)
    user_bias, item_bias = rng.normal(0, 0.5, 40), rng.normal(0, 0.5, 30)
    items = [rng.permutation(30)[:15] for _ in range(40)]
    ratings = [3 + user_bias[u] + item_bias[own] for u, own in enumerate(items)]
    method = Bias(user_shrink=0, item_shrink=0, sweeps=30)
    model = method.learn(*build(items, 30, ratings=ratings))
    users, asked = np.repeat(np.arange(40), 30), np.tile(np.arange(30), 40)
    found = model.predict_rating(ask([[]] * 1200, users=users), asked)
    np.testing.assert_allclose(found, 3 + user_bias[users] + item_bias[asked], atol=1e-3)


def rmse_of_factors(build, ask, planted):
    """Test RMSE of tuned factors, of tuned biases and of the global mean."""
    rng = np.random.default_rng(1)
    users, items = rng.normal(0, 1, (150, 2)), rng.normal(0, 1, (60, 2))
    chosen = [rng.permutation(60)[:32] for _ in range(150)]
    truth = 3 + planted * users @ items.T
    ratings = [truth[u, own] + rng.normal(0, 0.3, 32) for u, own in enumerate(chosen)]
    log, split = build(chosen, 60, held_out=1, ratings=ratings)
    parts = split.of_event.reshape(150, 32)
    parts[:, -8:-4], parts[:, -4:] = 1, 2
    valid, test = split.mask("valid"), split.mask("test")
    asked = [ask([[]] * mask.sum(), users=log.users[mask]) for mask in (valid, test)]
    figure = by_rmse(asked[0], log.items[valid], log.ratings[valid])
    found = []
    for name in ("mf", "bias", "global-mean"):
        model = max((p.learn(log, split) for p in baseline(name).points()), key=figure)
        off = model.predict_rating(asked[1], log.items[test]) - log.ratings[test]
        found.append(float(np.sqrt((off**2).mean())))
    return found


def test_factors_find_what_was_planted_and_nothing_where_nothing_was(build, ask):
    factors, biases, mean = rmse_of_factors(build, ask, planted=0.7)
    assert factors < 0.6 * biases < 0.65 * mean
    factors, _, mean = rmse_of_factors(build, ask, planted=0.0)
    assert factors > 0.995 * mean


@pytest.mark.parametrize("cells", [2**22, 100])
def test_factors_by_hand(build, ask, monkeypatch, cells):
    """One sweep: every user's ridge regression, then every item's, one by one."""
    monkeypatch.setattr("p5rec.methods.baselines.factors.CELLS", cells)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(9)[: rng.integers(2, 8)] for _ in range(7)]
    world = build(chosen, 10, ratings=[rng.normal(3, 1, len(own)) for own in chosen])
    settings = MatrixFactorization(factors=2, bias_l2=0.5, factor_l2=0.7, sweeps=2)
    model, log = settings.learn(*world), world[0]
    penalty = np.diag([0.5, 0.7, 0.7])
    for item in range(9):
        mine = log.items == item
        known = model.users[log.users[mine]]
        design = np.column_stack([np.ones(mine.sum()), known[:, 1:]])
        rest = log.ratings[mine] - model.mean - known[:, 0]
        wanted = np.linalg.solve(design.T @ design + penalty, design.T @ rest)
        np.testing.assert_allclose(model.items[item], wanted, atol=1e-6)
    assert not model.items[9].any()  # never rated


def test_shrinkage_draws_to_the_mean(build, ask):
    world = build([[0], [1], [1], [1]], 2, ratings=[[5.0], [1.0], [1.0], [1.0]])
    drawn = Bias(user_shrink=50, item_shrink=50).learn(*world)
    assert drawn.predict_rating(ask([[]]), np.array([0]))[0] == pytest.approx(2, abs=0.2)
