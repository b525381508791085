import numpy as np
import pytest

from p5rec.metrics import intervals
from p5rec.metrics.intervals import Interval, bootstrap, mean_intervals, mean_of, paired_means


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).normal(3, 2, 4000)
    found = mean_intervals({"x": values}, np.arange(4000), seed=0)["x"]
    assert found.value == pytest.approx(values.mean())
    error = values.std() / 4000**0.5
    assert (values.mean() - found.low) / error == pytest.approx(1.96, abs=0.2)
    assert (found.high - values.mean()) / error == pytest.approx(1.96, abs=0.2)


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    users = np.arange(200)
    held = [
        interval.low <= 0.3 <= interval.high
        for seed in range(20)
        for interval in mean_intervals(
            {str(i): rng.random(200) < 0.3 for i in range(10)}, users, seed=seed
        ).values()
    ]
    assert 0.90 <= np.mean(held) <= 0.99


def test_rows_of_one_user_are_drawn_together():
    values = np.random.default_rng(3).normal(size=100)
    alone = mean_intervals({"x": values}, np.arange(100), seed=0)["x"]
    tenfold = mean_intervals({"x": np.repeat(values, 10)}, np.repeat(np.arange(100), 10), seed=0)
    assert (tenfold["x"].low, tenfold["x"].high) == pytest.approx((alone.low, alone.high))


def test_draws_depend_on_seed_and_users_alone(monkeypatch):
    values, users = np.random.default_rng(4).normal(size=300), np.arange(300)
    whole = mean_intervals({"x": values}, users, seed=5)["x"]
    beside = mean_intervals({"y": -values, "x": values}, users, seed=5)["x"]
    assert (beside.low, beside.high) == pytest.approx((whole.low, whole.high))
    assert mean_intervals({"x": values}, users, seed=6)["x"].low != pytest.approx(whole.low)
    monkeypatch.setattr(intervals, "CELLS", 300 * 7)  # seven resamples at a time
    pieces = mean_intervals({"x": values}, users, seed=5)["x"]
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high))


def test_pairing_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(5)
    base = rng.normal(0, 10, 500)
    better = base + 0.2 + rng.normal(0, 0.5, 500)
    a, b = (mean_intervals({"x": v}, np.arange(500), seed=0)["x"] for v in (better, base))
    difference = paired_means(better, base, np.arange(500), seed=0)
    assert a.low < b.high
    assert difference.excludes_zero
    assert difference.difference().startswith("+0.")
    assert difference.value == pytest.approx(a.value - b.value)


def test_paired_statistics_equal_paired_means_and_share_their_draws():
    a, b = np.random.default_rng(6).normal(size=(2, 50))
    users = np.arange(50)
    by_statistic = intervals.paired(mean_of(a), mean_of(b), users, seed=1)[0]
    by_mean = paired_means(a, b, users, seed=1)
    assert by_statistic.low == pytest.approx(by_mean.low)
    same = intervals.paired(mean_of(a), mean_of(a), users, seed=1)[0]
    assert same == Interval(0, 0, 0)
    assert same.difference().startswith("no difference shown")


def test_nothing_measured():
    found = mean_intervals({"x": np.empty(0)}, np.empty(0, dtype=int), seed=0)["x"]
    assert np.isnan([found.value, found.low, found.high]).all()
    assert not found.excludes_zero


def test_undefined_resamples_are_left_out():
    part, whole = np.array([1.0, 0.0]), np.array([2.0, 0.0])  # only the first user names anything
    found = bootstrap(intervals.ratio_of(part, whole), np.arange(2), seed=0)[0]
    assert found == Interval(0.5, 0.5, 0.5)
