import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.metrics import ranking


def test_hand_counted_lists():
    items = np.array([[4, 7, 1, 0], [4, 7, 1, 0], [4, 7, 1, 0], [4, 7, -1, -1]])
    values = ranking.per_user(items, np.array([4, 1, 9, 1]), ks=(2, 4))
    np.testing.assert_allclose(values["HR@2"], [1, 0, 0, 0])
    np.testing.assert_allclose(values["HR@4"], [1, 1, 0, 0])
    np.testing.assert_allclose(values["NDCG@2"], [1, 0, 0, 0])
    np.testing.assert_allclose(values["NDCG@4"], [1, 0.5, 0, 0])  # 1 / log2(4)
    np.testing.assert_allclose(values["MRR@4"], [1, 1 / 3, 0, 0])
    assert "Recall@2" not in values


def test_several_relevant_items():
    items = np.array([[5, 1, 2, 3]])
    values = ranking.per_user(items, np.array([[1, 3, -1]]), ks=(2, 4))
    gain = 1 / np.log2([3, 5])
    ideal = 1 + 1 / np.log2(3)
    assert values["NDCG@4"][0] == pytest.approx(gain.sum() / ideal)
    assert values["NDCG@2"][0] == pytest.approx(gain[0] / ideal)
    assert values["Recall@2"][0] == 0.5
    assert values["Recall@4"][0] == 1
    assert values["MRR@4"][0] == 0.5


def test_one_relevant_item_in_either_form_is_the_same():
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(30)[:20] for _ in range(50)])
    targets = rng.integers(0, 30, 50)
    one, general = ranking.per_user(items, targets), ranking.per_user(items, targets[:, None])
    for name, value in one.items():
        np.testing.assert_array_equal(value, general[name])
    np.testing.assert_array_equal(general["Recall@10"], one["HR@10"])


def test_an_item_listed_twice_counts_once():
    values = ranking.per_user(np.array([[3, 3, 3]]), np.array([[3, 8]]), ks=(3,))
    assert values["Recall@3"][0] == 0.5
    assert values["NDCG@3"][0] == pytest.approx(1 / (1 + 1 / np.log2(3)))


@given(st.integers(0, 9), st.integers(1, 10))
def test_metrics_by_rank(rank, k):
    values = ranking.per_user(np.arange(10)[None, :], np.array([rank]), ks=(k,))
    expected = (1, 1 / np.log2(rank + 2), 1 / (rank + 1)) if rank < k else (0, 0, 0)
    assert [values[f"{m}@{k}"][0] for m in ("HR", "NDCG", "MRR")] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("targets", "ks"),
    [(np.array([1]), (5,)), (np.array([1]), ()), (np.array([1]), (0,)), (np.array([1, 2]), (3,)),
     (np.array([-1]), (3,)), (np.array([[-1, -1]]), (3,))],
)  # fmt: skip
def test_invalid_arguments_are_refused(targets, ks):
    with pytest.raises(ValueError, match=r"depths|fit|relevant"):
        ranking.per_user(np.array([[1, 2, 3]]), targets, ks)


def test_error_rates():
    items = np.array([[0, 1, 2, -1], [1, 1, 9, 1], [-1, 3, -2, -1], [-1, -1, -1, -1]])
    # entries: 3 + 4 + 3 + 0; invalid: 9, the hole before 3, and -2; repeats: two of the 1s
    assert ranking.invalid_rate(items, 5) == pytest.approx(3 / 10)
    assert ranking.duplicate_rate(items) == pytest.approx(2 / 10)
    assert ranking.short_rate(items) == pytest.approx(3 / 4)


def test_error_rates_without_lists_are_zero():
    items = np.empty((0, 5), dtype=np.int32)
    rates = ranking.invalid_rate(items, 5), ranking.duplicate_rate(items), ranking.short_rate(items)
    assert rates == (0, 0, 0)
