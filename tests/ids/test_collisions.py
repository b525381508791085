"""Collision policies: unique codes for any input that fits, with as few changes as possible."""

from __future__ import annotations

from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.ids.assignment import assign, plan
from p5rec.ids.collisions import extra_level, nearest_free, separate, sinkhorn
from p5rec.ids.config import POLICIES
from p5rec.ids.prefixes import prefix_groups, sharing
from p5rec.ids.quantiser import Coded, Residual, Tree, distances


def coded(vectors: np.ndarray, codes: np.ndarray, books: tuple[np.ndarray, ...]) -> Coded:
    return Coded(codes, Residual(books), vectors, vectors)


@st.composite
def quantised(draw: st.DrawFn) -> Coded:
    """Few codes and many items, often exactly as many as fit; many points are equal."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    n_items = draw(st.integers(1, prod(sizes)) | st.just(prod(sizes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    books = tuple(rng.integers(-3, 4, (size, 2)).astype(np.float32) for size in sizes)
    vectors = rng.integers(-draw(st.integers(0, 3)), 4, (n_items, 2)).astype(np.float32)
    residual, codes = vectors, []
    for book in books:
        codes.append(distances(residual, book).argmin(axis=1))
        residual = residual - book[codes[-1]]
    return coded(vectors, np.stack(codes, axis=1).astype(np.int32), books)


def shuffled(q: Coded, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(len(q.codes))


@pytest.mark.parametrize("policy", list(POLICIES))
@given(q=quantised(), seed=st.integers(0, 3))
def test_codes_are_unique_in_range_and_repeatable(policy: str, q: Coded, seed: int) -> None:
    order = shuffled(q, seed)
    resolved = POLICIES.get(policy)(q, order)
    assert len(np.unique(resolved.codes, axis=0)) == len(q.codes)
    assert resolved.codes.dtype == np.int32
    assert (resolved.codes >= 0).all()
    assert (resolved.codes < np.array(resolved.sizes)).all()
    assert resolved.collisions.after == 0
    np.testing.assert_array_equal(resolved.codes, POLICIES.get(policy)(q, order).codes)


@given(q=quantised())
def test_prefixes_without_a_collision_do_not_change(q: Coded) -> None:
    resolved = nearest_free(q, shuffled(q))
    last = prefix_groups(q.codes, q.codes.shape[1] - 1)
    full = prefix_groups(q.codes, q.codes.shape[1])
    crowded = np.isin(last, last[np.bincount(full)[full] > 1])
    if not np.bincount(last).max() > q.sizes[-1]:  # else items of other prefixes arrive
        np.testing.assert_array_equal(resolved.codes[~crowded], q.codes[~crowded])
        np.testing.assert_array_equal(resolved.codes[:, :-1], q.codes[:, :-1])


@given(data=st.data())
def test_the_last_level_has_the_least_total_distance(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    book, vectors = rng.normal(size=(4, 2)), rng.normal(size=(3, 2)) * 0.1
    costs = distances(vectors, book)
    q = coded(vectors, costs.argmin(axis=1)[:, None].astype(np.int32), (book,))
    best = min(sum(costs[i, c] for i, c in enumerate(p)) for p in permutations(range(4), 3))
    assert nearest_free(q, shuffled(q)).collisions.error_after == pytest.approx(best / 3)


def test_an_overfull_prefix_moves_the_cheapest_item_to_the_nearest_free_prefix() -> None:
    first = np.array([[0.0], [10.0], [30.0]])
    second = np.array([[0.0], [1.0]])
    # three items near 0, where two fit; the one at 4 is the nearest to the free prefix at 10
    vectors = np.array([[0.0], [1.0], [4.0], [30.0]])
    codes = np.array([[0, 0], [0, 1], [0, 1], [2, 0]], dtype=np.int32)
    q = coded(vectors, codes, (first, second))
    resolved = nearest_free(q, shuffled(q))
    assert resolved.codes.tolist() == [[0, 0], [0, 1], [1, 0], [2, 0]]
    assert (resolved.collisions.before, resolved.collisions.moved) == (2, 1)
    assert resolved.collisions.error_before == pytest.approx(9 / 4)  # item 4 was at 0 + 1
    assert resolved.collisions.error_after == pytest.approx(36 / 4)  # it is now at 10 + 0


def test_extra_level_numbers_equal_items_alone() -> None:
    codes = np.array([[1], [0], [1], [1]], dtype=np.int32)
    q = coded(np.zeros((4, 1)), codes, (np.zeros((2, 1)),))
    resolved = extra_level(q, shuffled(q))
    np.testing.assert_array_equal(resolved.codes[:, :1], codes)
    assert sorted(resolved.codes[[0, 2, 3], 1].tolist()) == [0, 1, 2]
    assert resolved.codes[1, 1] == 0
    assert resolved.sizes == (2, 3)
    assert resolved.collisions.before == 3


def test_equal_items_are_not_numbered_in_row_order() -> None:
    alike = coded(np.zeros((50, 1)), np.zeros((50, 1), dtype=np.int32), (np.zeros((64, 1)),))
    for policy in POLICIES:
        assert (np.diff(POLICIES.get(policy)(alike, shuffled(alike)).codes[:, -1]) < 0).any(), (
            policy
        )


def test_more_items_than_codes_is_an_error_with_the_numbers() -> None:
    full = coded(np.zeros((5, 1)), np.zeros((5, 2), dtype=np.int32), (np.zeros((2, 1)),) * 2)
    with pytest.raises(UserError, match=r"at most 4 items .* got 5 items; raise codebook"):
        nearest_free(full, shuffled(full))


def test_sharing_counts_all_items_with_shared_codes() -> None:
    assert sharing(np.array([[0, 1], [0, 1], [1, 1], [0, 1], [1, 0]])) == 3


def test_prefix_groups_are_consecutive_and_ordered_for_many_levels() -> None:
    codes = np.array([[65535] * 12, [0] * 12, [65535] * 11 + [0]])
    assert prefix_groups(codes, 0).tolist() == [0, 0, 0]
    assert prefix_groups(codes, 11).tolist() == [1, 0, 1]
    assert prefix_groups(codes, 12).tolist() == [2, 0, 1]


def test_extra_level_adds_no_level_without_collisions() -> None:
    codes = np.array([[1], [0]], dtype=np.int32)
    q = coded(np.zeros((2, 1)), codes, (np.zeros((2, 1)),))
    resolved = extra_level(q, shuffled(q))
    assert (resolved.codes.tolist(), resolved.sizes) == ([[1], [0]], (2,))


def test_a_plan_uses_available_codes_equally_and_favours_near_ones() -> None:
    costs = np.random.default_rng(0).random((6, 4))
    costs[:, 3] = np.inf
    shares = np.exp(plan(costs))
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(shares[:, :3].sum(0), 2, rtol=0.02)
    assert (shares[:, 3] == 0).all()
    assert np.corrcoef(shares[:, :3].ravel(), costs[:, :3].ravel())[0, 1] < -0.5


def test_sinkhorn_with_equal_costs_is_an_assignment_too() -> None:
    alike = coded(np.zeros((4, 1)), np.zeros((4, 1), dtype=np.int32), (np.zeros((4, 1)),))
    assert sorted(sinkhorn(alike, shuffled(alike)).codes[:, 0].tolist()) == [0, 1, 2, 3]


@given(q=quantised(), seed=st.integers(0, 3), data=st.data())
def test_fixed_items_do_not_move(q: Coded, seed: int, data: st.DataObject) -> None:
    settled = nearest_free(q, shuffled(q, seed)).codes
    movable = np.array(data.draw(st.lists(st.booleans(), min_size=len(settled),
                                          max_size=len(settled))))  # fmt: skip
    codes = np.where(movable[:, None], q.codes, settled)
    order = np.random.default_rng(seed).permutation(len(codes))
    separated = separate(q.quantiser, q.points[movable], codes, q.sizes, order, movable, assign)
    assert sharing(separated) == 0
    np.testing.assert_array_equal(separated[~movable], settled[~movable])
    assert (separated < np.array(q.sizes)).all()


def test_tree_centroids_are_means_and_unknown_codes_use_their_prefix() -> None:
    codes = np.array([[0, 0], [0, 1], [2, 0], [2, 0]], dtype=np.int32)
    vectors = np.array([[0.0], [2.0], [10.0], [14.0]], dtype=np.float32)
    tree = Tree.over(codes, (3, 2), vectors)
    middle = float(vectors.mean())
    # codes without items have the centroid of their prefix
    np.testing.assert_allclose(
        tree.costs(np.zeros((1, 1)), np.zeros((1, 0), dtype=np.int32)), [[1, middle**2, 144]]
    )
    prefixes = np.array([[0], [1], [2]])
    costs = tree.costs(np.zeros((3, 1)), prefixes)
    np.testing.assert_allclose(costs, [[0, 4], [middle**2] * 2, [144, 144]])
    np.testing.assert_allclose(tree.reconstruct(codes)[:, 0], [0, 2, 12, 12])
    again = Tree.restored(tree.sizes, tree.state())
    np.testing.assert_array_equal(again.costs(np.ones((3, 1)), prefixes),
                                  tree.costs(np.ones((3, 1)), prefixes))  # fmt: skip
