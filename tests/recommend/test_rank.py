from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from p5rec.core.types import Histories
from p5rec.recommend import ranking
from p5rec.recommend.ranking import rank, rank_all

few_values = st.sampled_from([-np.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, 3e38, np.inf])
any_values = st.floats(width=32, allow_nan=False)


def by_full_sort(scores, k, tie, exclude):
    """The lists by a full sort of each row."""
    items = np.full((len(scores), k), -1)
    for b, row in enumerate(scores):
        order = np.lexsort((tie, -row))
        listed = [i for i in order if row[i] > -np.inf and i not in exclude[b]][:k]
        items[b, : len(listed)] = listed
    return items


@st.composite
def problems(draw):
    n_rows, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    values = draw(st.sampled_from([few_values, any_values]))
    scores = draw(arrays.arrays(np.float32, (n_rows, n_items), elements=values))
    tie = np.array(draw(st.permutations(range(n_items))))
    seen = [draw(st.lists(st.integers(0, n_items - 1), max_size=n_items)) for _ in range(n_rows)]
    return scores, draw(st.integers(1, 15)), tie, seen


@given(problems())
def test_equals_a_full_sort(problem):
    scores, k, tie, seen = problem
    offsets = np.cumsum([0, *map(len, seen)])
    exclude = Histories(np.arange(len(seen)), np.array(list(chain(*seen)), dtype=int), offsets)
    items, values = rank(scores, k, tie, exclude)
    expected = by_full_sort(scores, k, tie, seen)
    np.testing.assert_array_equal(items, expected)
    own = np.take_along_axis(scores, np.maximum(expected, 0), axis=1)
    np.testing.assert_array_equal(values, np.where(expected < 0, -np.inf, own))
    assert (items.dtype, values.dtype) == (np.int32, np.float32)


def test_ties_follow_the_tie_order():
    tie = np.array([4, 0, 3, 1, 2])
    items, _ = rank(np.array([[1.0, 1.0, 1.0, 1.0, 2.0]]), 3, tie)
    assert items.tolist() == [[4, 1, 3]]


def test_invalid_scores_are_refused(make_requests):
    tie = np.arange(3)
    with pytest.raises(ValueError, match="NaN"):
        rank(np.array([[0, np.nan, 1]]), 2, tie)
    with pytest.raises(ValueError, match="k of at least 1"):
        rank(np.zeros((1, 3)), 0, tie)
    with pytest.raises(ValueError, match="item rows 0 to 2, got 3"):
        rank(np.zeros((1, 3)), 2, tie, make_requests([[3]]))
    with pytest.raises(ValueError, match="item rows 0 to 2, got -1"):
        rank_all(
            lambda block: np.zeros((len(block), 3)),
            make_requests([[-1]]),
            2,
            tie,
            exclude_seen=False,
        )


def test_blocks_do_not_change_lists(make_requests, monkeypatch):
    table = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    requests = make_requests([[b % 50, (b + 3) % 50] for b in range(40)])
    tie = np.random.default_rng(1).permutation(50)

    def score(block):
        return table[block.users]

    whole = rank_all(score, requests, 9, tie, exclude_seen=True)
    monkeypatch.setattr(ranking, "CELLS", 50 * 7)
    pieces = rank_all(score, requests, 9, tie, exclude_seen=True)
    np.testing.assert_array_equal(whole.items, pieces.items)
    np.testing.assert_array_equal(whole.scores, pieces.scores)
