import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mean_intervals import excludes_zero, mean_intervals, paired_means

from p5rec.metrics import intervals
from p5rec.metrics.intervals import (
    Difference,
    Interval,
    bootstrap,
    mean_of,
)


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).normal(3, 2, 4000)
    result = mean_intervals({"x": values}, np.arange(4000), seed=0)["x"]
    assert result.value == pytest.approx(values.mean())
    error = values.std() / 4000**0.5
    assert (values.mean() - result.low) / error == pytest.approx(1.96, abs=0.2)
    assert (result.high - values.mean()) / error == pytest.approx(1.96, abs=0.2)


@pytest.mark.parametrize(("share", "fewest", "most"), [(0.3, 0.90, 0.99), (0.02, 0.94, 1)])
def test_ninety_five_percent_of_intervals_cover_the_true_value(share, fewest, most):
    rng = np.random.default_rng(2)
    users = np.arange(200)
    held = [
        interval.low <= share <= interval.high
        for seed in range(20)
        for interval in mean_intervals(
            {str(i): rng.random(200) < share for i in range(10)}, users, seed=seed
        ).values()
    ]
    assert fewest <= np.mean(held) <= most


def test_instances_of_one_user_are_resampled_together():
    values = np.random.default_rng(3).normal(size=100)
    alone = mean_intervals({"x": values}, np.arange(100), seed=0)["x"]
    tenfold = mean_intervals({"x": np.repeat(values, 10)}, np.repeat(np.arange(100), 10), seed=0)
    assert (tenfold["x"].low, tenfold["x"].high) == pytest.approx((alone.low, alone.high))


def test_draws_depend_only_on_seed_and_users(monkeypatch):
    values, users = np.random.default_rng(4).normal(size=300), np.arange(300)
    whole = mean_intervals({"x": values}, users, seed=5)["x"]
    beside = mean_intervals({"y": -values, "x": values}, users, seed=5)["x"]
    assert (beside.low, beside.high) == pytest.approx((whole.low, whole.high))
    assert mean_intervals({"x": values}, users, seed=6)["x"].low != pytest.approx(whole.low)
    monkeypatch.setattr(intervals, "CELLS", 300 * 7)  # seven resamples at a time
    pieces = mean_intervals({"x": values}, users, seed=5)["x"]
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high))


def test_pairing_detects_differences_that_separate_intervals_miss():
    rng = np.random.default_rng(5)
    base = rng.normal(0, 10, 500)
    better = base + 0.2 + rng.normal(0, 0.5, 500)
    a, b = (mean_intervals({"x": v}, np.arange(500), seed=0)["x"] for v in (better, base))
    difference = paired_means(better, base, np.arange(500), seed=0)
    assert a.low < b.high
    assert excludes_zero(difference)
    assert difference.value == pytest.approx(a.value - b.value)


def test_paired_statistics_equal_paired_means_and_share_their_draws():
    a, b = np.random.default_rng(6).normal(size=(2, 50))
    users = np.arange(50)
    by_statistic = intervals.paired(mean_of(a), mean_of(b), users, seed=1)[0]
    by_mean = paired_means(a, b, users, seed=1)
    assert by_statistic.low == pytest.approx(by_mean.low)
    same = intervals.paired(mean_of(a), mean_of(a), users, seed=1)[0]
    assert same == Difference(0, 0, 0, p=1)


@given(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=1, max_size=40), st.integers(0, 3))
def test_the_p_value_agrees_with_the_interval(gaps, seed):
    gaps = np.array(gaps, dtype=float)
    result = paired_means(gaps, np.zeros(len(gaps)), np.arange(len(gaps)), seed=seed)
    assert (result.p <= 0.05) == excludes_zero(result)
    assert 0 < result.p <= 1
    turned = paired_means(-gaps, np.zeros(len(gaps)), np.arange(len(gaps)), seed=seed)
    assert (turned.low, turned.high, turned.p) == (-result.high, -result.low, result.p)


def test_rounding_errors_are_no_difference():
    values, users = np.random.default_rng(7).random(100), np.arange(100)

    def backwards(weights):
        return mean_of(values[::-1])(weights[:, ::-1])

    assert (mean_of(values)(np.eye(100) + 1) != backwards(np.eye(100) + 1)).any()
    other = intervals.of_instances(backwards)
    assert intervals.paired(mean_of(values), other, users, seed=0) == [Difference(0, 0, 0, p=1)]


def test_intervals_of_few_hits_are_wider_than_the_percentiles():
    def width(hits, n):
        result = mean_intervals({"x": np.arange(n) < hits}, np.arange(n), seed=0)["x"]
        plain = paired_means(np.arange(n) < hits, np.zeros(n), np.arange(n), seed=0)
        return (result.high - result.low) / (plain.high - plain.low)

    assert width(4, 200) > 1.2
    assert width(200, 1000) == pytest.approx(1, abs=0.03)


def test_groups_of_users_give_the_same_degrees_of_freedom():
    n, hit = 4 * intervals.GROUPS, np.random.default_rng(8).random(4 * intervals.GROUPS) < 0.02
    left = np.concatenate([mean_of(hit)(w) for w in intervals._left_out(np.arange(n))])
    assert len(left) == intervals.GROUPS
    assert intervals._freedom(left)[0] == pytest.approx(2 * hit.sum(), rel=0.3)


def test_no_instances():
    result = mean_intervals({"x": np.empty(0)}, np.empty(0, dtype=int), seed=0)["x"]
    assert np.isnan([result.value, result.low, result.high]).all()
    assert not excludes_zero(result)


def test_undefined_resamples_are_ignored():
    grounded, named = np.array([1.0, 0.0]), np.array([2.0, 0.0])  # only one user has a denominator
    result = bootstrap(intervals.ratio_of(grounded, named), np.arange(2), seed=0)[0]
    assert result == Interval(0.5, 0.5, 0.5)
