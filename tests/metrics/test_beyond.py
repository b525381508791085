import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.metrics import beyond


def test_coverage_and_exposure():
    items = np.array([[0, 1], [0, -1]])
    np.testing.assert_array_equal(beyond.exposure(items, 4), [2, 1, 0, 0])
    assert beyond.coverage(items, 4) == 0.5


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_gini_is_half_the_relative_mean_difference(listed):
    exposures = np.bincount(listed, minlength=6)
    expected = np.abs(exposures[:, None] - exposures).mean() / (2 * exposures.mean())
    assert beyond.gini(np.array([listed]), 6) == pytest.approx(expected)


def test_novelty_in_bits():
    counts = np.array([3, 3, 1, 1])  # smoothed: 4, 4, 2, 2 of 12
    result = beyond.novelty(np.array([[0, 2, -1], [-1, -1, -1]]), counts)
    assert result[0] == pytest.approx((np.log2(3) + np.log2(6)) / 2)
    assert np.isnan(result[1])
    assert beyond.over_lists(result) == result[0]
    assert np.isfinite(beyond.novelty(np.array([[0]]), np.array([0, 9])))


def test_popularity_is_the_mean_number_of_training_events():
    result = beyond.popularity(
        np.array([[0, 2, -1], [1, 1, -1], [-1, -1, -1]]), np.array([9, 4, 1])
    )
    np.testing.assert_array_equal(result, [5, 4, np.nan])


def test_diversity_over_an_attribute():
    vectors = beyond.indicators([("a",), ("a",), ("b",), ("a", "b"), ()])
    np.testing.assert_array_equal(vectors.todense(), [[1, 0], [1, 0], [0, 1], [1, 1], [0, 0]])
    assert beyond.indicators([("a", "a"), ()]).todense().tolist() == [[1], [0]]
    lists = np.array([[0, 1, -1], [0, 2, -1], [0, 3, 2], [0, 4, -1], [0, 4, 2]])
    half = 1 - 1 / np.sqrt(2)
    np.testing.assert_allclose(
        beyond.intra_list_diversity(lists, vectors),
        [0, 1, (half + half + 1) / 3, np.nan, 1],
        atol=1e-7,
    )


def test_diversity_equals_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 8))
    lists = np.stack([rng.permutation(30)[:6] for _ in range(5)])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    upper = np.triu_indices(6, 1)
    expected = [1 - (unit[one] @ unit[one].T)[upper].mean() for one in lists]
    np.testing.assert_allclose(beyond.intra_list_diversity(lists, vectors), expected)


def test_empty_lists():
    empty = np.full((2, 3), -1)
    assert np.isnan(beyond.gini(empty, 4))
    assert np.isnan(beyond.over_lists(beyond.novelty(empty, np.ones(4))))
    assert np.isnan(beyond.intra_list_diversity(empty, np.ones((4, 2)))).all()
