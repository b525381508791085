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
def dataset(build):
    return build(ITEMS, 5, held_out=1, ratings=RATINGS)


def predict(name, dataset, make_requests, users, items):
    return (
        baseline(name)
        .learn(*dataset)
        .predict_rating(make_requests([[]] * len(users), users=users), np.array(items))
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("global-mean", [3.5, 3.5, 3.5]),  # of 5, 3, 4, 2
        ("user-mean", [4.0, 4.0, 2.0]),
        ("item-mean", [4.5, 3.5, 2.0]),  # item 4 has no training rating
    ],
)
def test_means_by_hand(name, expected, dataset, make_requests):
    np.testing.assert_allclose(
        predict(name, dataset, make_requests, [0, 1, 2], [0, 4, 2]), expected, rtol=1e-6
    )


@pytest.mark.parametrize("name", RATING.references)
class TestContract:
    def test_protocol_and_lineage(self, name, dataset):
        model = baseline(name).learn(*dataset)
        assert isinstance(model, PredictsRatings)
        events, split = dataset
        np.testing.assert_array_equal(
            model.lineage.contains(events.event_keys), split.mask("train")
        )

    def test_methods_with_item_vectors_embed_items(self, name, dataset):
        method = baseline(name)
        model = method.learn(*dataset)
        assert isinstance(model, EmbedsItems) == method.embeds_items
        if method.embeds_items:
            table = model.item_vectors()
            assert (table.shape, table.dtype) == ((5, method.factors), np.float32)
            # items 3 and 4 have no training event
            assert np.isnan(table).all(axis=1).tolist() == [False, False, False, True, True]

    def test_predictions_do_not_depend_on_the_batch(self, name, dataset, make_requests):
        users, items = [0, 2, 1, 0], [4, 1, 3, 3]
        together = predict(name, dataset, make_requests, users, items)
        alone = [
            predict(name, dataset, make_requests, [u], [i])[0]
            for u, i in zip(users, items, strict=True)
        ]
        np.testing.assert_array_equal(together, alone)
        assert together.dtype == np.float32

    def test_held_out_ratings_are_not_used(self, name, dataset, make_requests, build):
        other = build(ITEMS, 5, held_out=1, ratings=[[5, 3, 5], [4, 1], [2, 5]])
        np.testing.assert_array_equal(
            predict(name, dataset, make_requests, [0, 1, 2], [2, 1, 3]),
            predict(name, other, make_requests, [0, 1, 2], [2, 1, 3]),
        )

    def test_unknown_rows_are_refused(self, name, dataset, make_requests):
        with pytest.raises(ValueError, match="user rows 0 to 2, got 3"):
            predict(name, dataset, make_requests, [3], [0])
        with pytest.raises(ValueError, match="item rows 0 to 4, got 5"):
            predict(name, dataset, make_requests, [0], [5])

    def test_a_log_without_ratings_is_refused_in_one_line(self, name, build):
        with pytest.raises(UserError, match="expected training events with ratings, got none"):
            baseline(name).learn(*build(ITEMS, 5))

    def test_saved_and_loaded_to_the_bit(self, name, dataset, make_requests, tmp_path):
        model = baseline(name).learn(*dataset)
        model.save(tmp_path)
        pairs = make_requests([[]] * 15, users=np.repeat(np.arange(3), 5)), np.tile(np.arange(5), 3)
        loaded = baseline(name).load(tmp_path).predict_rating(*pairs)
        np.testing.assert_array_equal(model.predict_rating(*pairs), loaded)


def test_biases_find_planted_ones(build, make_requests):
    rng = np.random.default_rng(0)
    user_bias, item_bias = rng.normal(0, 0.5, 40), rng.normal(0, 0.5, 30)
    items = [rng.permutation(30)[:15] for _ in range(40)]
    ratings = [3 + user_bias[u] + item_bias[own] for u, own in enumerate(items)]
    method = Bias(user_shrink=0, item_shrink=0, sweeps=30)
    model = method.learn(*build(items, 30, ratings=ratings))
    users, items = np.repeat(np.arange(40), 30), np.tile(np.arange(30), 40)
    result = model.predict_rating(make_requests([[]] * 1200, users=users), items)
    np.testing.assert_allclose(result, 3 + user_bias[users] + item_bias[items], atol=1e-3)


def rmse_of_factors(build, make_requests, planted):
    """Test RMSE of tuned factors, of tuned biases and of the global mean."""
    rng = np.random.default_rng(1)
    users, items = rng.normal(0, 1, (150, 2)), rng.normal(0, 1, (60, 2))
    chosen = [rng.permutation(60)[:32] for _ in range(150)]
    truth = 3 + planted * users @ items.T
    ratings = [truth[u, own] + rng.normal(0, 0.3, 32) for u, own in enumerate(chosen)]
    log, split = build(chosen, 60, held_out=1, ratings=ratings)
    splits = split.of_event.reshape(150, 32)
    splits[:, -8:-4], splits[:, -4:] = 1, 2
    valid, test = split.mask("valid"), split.mask("test")
    requests = [make_requests([[]] * mask.sum(), users=log.users[mask]) for mask in (valid, test)]
    metric = by_rmse(requests[0], log.items[valid], log.ratings[valid])
    errors = []
    for name in ("mf", "bias", "global-mean"):
        model = max((p.learn(log, split) for p in baseline(name).points()), key=metric)
        error = model.predict_rating(requests[1], log.items[test]) - log.ratings[test]
        errors.append(float(np.sqrt((error**2).mean())))
    return errors


def test_factors_find_planted_factors_and_none_in_null_data(build, make_requests):
    factors, biases, mean = rmse_of_factors(build, make_requests, planted=0.7)
    assert factors < 0.6 * biases < 0.65 * mean
    factors, _, mean = rmse_of_factors(build, make_requests, planted=0.0)
    assert factors > 0.995 * mean


@pytest.mark.parametrize("cells", [2**22, 100])
def test_factors_by_hand(build, make_requests, monkeypatch, cells):
    """The last ridge regression of each item."""
    monkeypatch.setattr("p5rec.methods.baselines.factors.CELLS", cells)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(9)[: rng.integers(2, 8)] for _ in range(7)]
    dataset = build(chosen, 10, ratings=[rng.normal(3, 1, len(own)) for own in chosen])
    settings = MatrixFactorization(factors=2, bias_l2=0.5, factor_l2=0.7, sweeps=2)
    model, log = settings.learn(*dataset), dataset[0]
    penalty = np.diag([0.5, 0.7, 0.7])
    for item in range(9):
        rated = log.items == item
        known = model.users[log.users[rated]]
        design = np.column_stack([np.ones(rated.sum()), known[:, 1:]])
        rest = log.ratings[rated] - model.mean - known[:, 0]
        expected = np.linalg.solve(design.T @ design + penalty, design.T @ rest)
        np.testing.assert_allclose(model.items[item], expected, atol=1e-6)
    assert not model.items[9].any()  # never rated


def test_shrinkage_pulls_to_the_mean(build, make_requests):
    dataset = build([[0], [1], [1], [1]], 2, ratings=[[5.0], [1.0], [1.0], [1.0]])
    shrunk = Bias(user_shrink=50, item_shrink=50).learn(*dataset)
    assert shrunk.predict_rating(make_requests([[]]), np.array([0]))[0] == pytest.approx(2, abs=0.2)
