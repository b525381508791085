"""Residual k-means and the control that deals its codes out anew."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from p5rec.core.errors import UserError
from p5rec.ids.config import IdsConfig
from p5rec.ids.plain import permuted, uniform
from p5rec.ids.rqkmeans import fit, quantise
from p5rec.ids.vectors import fuse


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32)


def test_clusters_that_are_there_are_found() -> None:
    centres = np.array([[10.0, 0], [0, 10], [-10, 0], [0, -10]])
    offsets = np.array([[0.0, 0], [1, 1]])
    vectors = (centres[:, None] + offsets).reshape(-1, 2).repeat(5, axis=0)
    q = quantise(vectors, (4, 2), 0)
    kinds = np.unique(q.codes, axis=0)
    assert len(kinds) == 8
    assert all(len(np.unique(q.codes[i : i + 5], axis=0)) == 1 for i in range(0, 40, 5))
    assert q.error(q.codes) == pytest.approx(0, abs=1e-8)


def test_each_level_lowers_the_error_and_codes_are_the_nearest(points: np.ndarray) -> None:
    q = quantise(points, (16, 16, 16), 0)
    rows = np.arange(len(points))
    errors = [np.square(q.residual(rows, q.codes[:, :n])).sum() for n in range(4)]
    assert errors == sorted(errors, reverse=True)
    left = q.residual(rows, q.codes[:, :2])
    far = np.square(left[:, None] - q.codebooks[2]).sum(axis=2)
    assert (far.argmin(axis=1) == q.codes[:, 2]).mean() > 0.999


def test_same_codes_on_one_and_two_threads(points: np.ndarray) -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(quantise(points, (32, 32), 3))
    np.testing.assert_array_equal(found[0].codes, found[1].codes)
    np.testing.assert_array_equal(found[0].codebooks[1], found[1].codebooks[1])


def test_another_seed_gives_other_codes(points: np.ndarray) -> None:
    assert (quantise(points, (32,), 0).codes != quantise(points, (32,), 1).codes).any()


@pytest.mark.parametrize("distinct", [1, 3, 20])
def test_no_dead_codes_even_among_equal_points(distinct: int) -> None:
    vectors = np.random.default_rng(1).normal(size=(distinct, 4)).repeat(7, axis=0)
    size = min(8, len(vectors))
    q = quantise(vectors, (size, size), 0)
    assert [len(np.unique(column)) for column in q.codes.T] == [size, size]


def test_fewer_items_than_codes_is_refused() -> None:
    with pytest.raises(UserError, match="at least 8 items, one a code, got 5 items; set it to 5"):
        quantise(np.zeros((5, 2)), (8,), 0)


def test_the_control_has_the_same_tree_and_other_places(points: np.ndarray) -> None:
    codes, _ = fit(IdsConfig(codebook=16), points)
    control = permuted(codes, 0)
    assert control.sizes == codes.sizes
    assert sorted(map(tuple, control.codes)) == sorted(map(tuple, codes.codes))
    assert (control.codes != codes.codes).any(axis=1).mean() > 0.99
    np.testing.assert_array_equal(control.codes, permuted(codes, 0).codes)


def test_uniform_codes_are_unique_and_fill_the_tree_if_they_must() -> None:
    assert len(np.unique(uniform(24, (2, 3, 4), 0).codes, axis=0)) == 24
    codes = uniform(5000, (64, 64, 64), 1)
    assert len(np.unique(codes.codes, axis=0)) == 5000
    assert [len(np.unique(column)) for column in codes.codes.T] == [64, 64, 64]
    with pytest.raises(UserError, match="between 25"):
        uniform(25, (2, 3, 4), 0)


def test_fuse_weighs_parts_and_keeps_zero_rows() -> None:
    fused = fuse([(np.array([[3.0, 4], [0, 0]]), 2.0), (np.array([[5.0], [-1]]), 0.5)])
    np.testing.assert_allclose(fused, [[1.2, 1.6, 0.5], [0, 0, -0.5]])
    assert fused.dtype == np.float32
