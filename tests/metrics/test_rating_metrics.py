import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.metrics import area, rating
from p5rec.metrics.intervals import bootstrap


def test_hand_counted_errors():
    predictions = rating.clip(np.array([0.0, 3.0, 9.0], dtype=np.float32), (1, 5))
    np.testing.assert_array_equal(predictions, [1, 3, 5])
    result = rating.summary(predictions, np.array([2.0, 3.0, 3.0]))
    assert result["RMSE"] == pytest.approx((5 / 3) ** 0.5)
    assert result["MAE"] == pytest.approx(1)
    assert np.isnan(result["AUC"])  # no liked item


labelled = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30)


@given(labelled)
def test_auc_is_the_share_of_pairs_won(rows):
    scores, positive = (np.array(column) for column in zip(*rows, strict=True))
    gaps = scores[positive][:, None] - scores[~positive][None, :]
    expected = ((gaps > 0) + 0.5 * (gaps == 0)).mean() if gaps.size else np.nan
    assert area.auc(scores, positive)[0] == pytest.approx(expected, nan_ok=True)


@given(labelled, st.data())
def test_weighted_auc_equals_that_of_repeated_instances(rows, data):
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    scores, positive = (np.array(column) for column in zip(*rows, strict=True))
    weighted = area.auc(scores, positive, np.array([weights], dtype=float))[0]
    repeated = area.auc(np.repeat(scores, weights), np.repeat(positive, weights))[0]
    assert weighted == pytest.approx(repeated, nan_ok=True)


def test_threshold_is_inclusive_and_a_parameter():
    predictions, ratings = np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0])
    assert rating.summary(predictions, ratings)["AUC"] == 1
    assert rating.summary(predictions[::-1], ratings, liked=5)["AUC"] == 0


def test_bootstrap_of_rating_metrics_over_users():
    rng = np.random.default_rng(0)
    ratings = rng.integers(1, 6, 400).astype(float)
    predictions = ratings + rng.normal(0, 1, 400)
    result = bootstrap(rating.statistic(predictions, ratings), np.repeat(np.arange(80), 5), seed=0)
    summary = rating.summary(predictions, ratings)
    for name, interval in zip(rating.NAMES, result, strict=True):
        assert interval.value == pytest.approx(summary[name])
        assert interval.low < interval.value < interval.high
