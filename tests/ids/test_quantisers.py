"""Quantisers: clusters, trees, subvectors, auto-encoders; and their saved state."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from p5rec.core.errors import UserError
from p5rec.core.types import Catalog, Corpus
from p5rec.ids.clusters import SAMPLE, cluster
from p5rec.ids.config import BY_VECTORS, QUANTISERS, SCHEMES, IdsConfig
from p5rec.ids.plain import permuted, uniform
from p5rec.ids.quantiser import Coded, ItemData, Residual, code_all, error
from p5rec.ids.rqkmeans import residual_means


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1500, 16)).astype(np.float32)


def data_of(vectors: np.ndarray, corpus: Corpus) -> ItemData:
    rows = np.arange(len(vectors)) % len(corpus.catalog)
    table = Catalog(corpus.catalog.table.take(rows))
    return ItemData(np.asarray(vectors, np.float32), table, corpus.interactions, corpus.split)


def fitted(scheme: str, vectors: np.ndarray, corpus: Corpus, **changes: object) -> Coded:
    config = IdsConfig(**{"scheme": scheme, "levels": 2, "codebook": 16, **changes})
    return SCHEMES.get(scheme)(config, data_of(vectors, corpus))


def test_planted_clusters_are_recovered(corpus: Corpus) -> None:
    centres = np.array([[10.0, 0], [0, 10], [-10, 0], [0, -10]])
    offsets = np.array([[0.0, 0], [1, 1]])
    vectors = (centres[:, None] + offsets).reshape(-1, 2).repeat(5, axis=0)
    q = fitted("rq-kmeans", vectors, corpus, codebook=[4, 2])
    kinds = np.unique(q.codes, axis=0)
    assert len(kinds) == 8
    assert all(len(np.unique(q.codes[i : i + 5], axis=0)) == 1 for i in range(0, 40, 5))
    assert error(q.quantiser, q.codes, q.vectors) == pytest.approx(0, abs=1e-8)


def test_each_level_lowers_the_error_and_codes_are_the_nearest(
    points: np.ndarray, corpus: Corpus
) -> None:
    q = fitted("rq-kmeans", points, corpus, levels=3)
    assert isinstance(q.quantiser, Residual)
    books = q.quantiser.codebooks
    errors = [error(Residual(books[:n]), q.codes[:, :n], points) for n in range(1, 4)]
    assert errors == sorted(errors, reverse=True)
    residual = points - books[0][q.codes[:, 0]] - books[1][q.codes[:, 1]]
    far = np.square(residual[:, None] - books[2]).sum(axis=2)
    assert (far.argmin(axis=1) == q.codes[:, 2]).mean() > 0.999


@pytest.mark.parametrize("scheme", sorted(BY_VECTORS))
def test_same_codes_on_one_and_two_threads(scheme: str, points: np.ndarray, corpus: Corpus) -> None:
    by_threads = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            by_threads.append(fitted(scheme, points[:400], corpus, seed=3, rqvae={"epochs": 3}))
    np.testing.assert_array_equal(by_threads[0].codes, by_threads[1].codes)
    other = fitted(scheme, points[:400], corpus, seed=4, rqvae={"epochs": 3})
    assert (other.codes != by_threads[0].codes).any()


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_a_quantiser_is_restored_from_its_state(
    scheme: str, points: np.ndarray, corpus: Corpus
) -> None:
    settings = {"rqvae": {"epochs": 2}, "attribute": "path", "codebook": 6}
    q = fitted(scheme, points[:26], corpus, **settings)
    again = QUANTISERS.get(q.quantiser.kind).restored(q.sizes, q.quantiser.state())
    items = data_of(points[:26], corpus)
    one, two = (code_all(each, items) for each in (q.quantiser, again))
    np.testing.assert_array_equal(one.codes, two.codes)
    np.testing.assert_allclose(one.points, two.points)
    original, restored = q.quantiser.reconstruct(one.codes), again.reconstruct(one.codes)
    assert (original is None) == (restored is None)
    if original is not None and restored is not None:
        np.testing.assert_allclose(original, restored)
        assert original.shape == (26, 16)


@pytest.mark.parametrize("distinct", [1, 3, 20])
def test_no_dead_codes_with_equal_points(distinct: int) -> None:
    vectors = np.random.default_rng(1).normal(size=(distinct, 4)).repeat(7, axis=0)
    size = min(8, len(vectors))
    codes, _ = residual_means(vectors, (size, size), 0)
    assert [len(np.unique(column)) for column in codes.T] == [size, size]


def test_many_points_are_clustered_on_a_sample() -> None:
    rng = np.random.default_rng(0)
    centres = 10 * rng.normal(size=(3, 4))
    truth = rng.integers(0, 3, 5 * SAMPLE)
    points = (centres[truth] + rng.normal(size=(len(truth), 4))).astype(np.float32)
    labels, centroids = cluster(points, 3, 0)
    assert normalized_mutual_info_score(truth, labels) > 0.99
    assert centroids.shape == (3, 4)


def test_balanced_clusters_are_even(points: np.ndarray, corpus: Corpus) -> None:
    for scheme in ("rq-kmeans", "h-kmeans"):
        codes = fitted(scheme, points, corpus, balanced=True).codes
        assert np.bincount(codes[:, 0]).max() <= -(-len(points) // 16)
    unbalanced = fitted("rq-kmeans", points, corpus).codes
    assert np.bincount(unbalanced[:, 0]).max() > -(-len(points) // 16)


def test_a_planted_hierarchy_is_recovered(corpus: Corpus) -> None:
    rng = np.random.default_rng(0)
    top, sub = 20 * rng.normal(size=(5, 8)), 4 * rng.normal(size=(5, 4, 8))
    first = np.arange(1000) % 5
    second = (np.arange(1000) // 5) % 4
    vectors = top[first] + sub[first, second] + 0.3 * rng.normal(size=(1000, 8))
    for scheme in ("h-kmeans", "rq-vae", "rq-kmeans"):
        sizes = [5, 4] if scheme == "h-kmeans" else [5, 20]
        codes = fitted(scheme, vectors, corpus, codebook=sizes, rqvae={"epochs": 20}).codes
        assert normalized_mutual_info_score(first, codes[:, 0]) > 0.8, scheme
        both = codes[:, 0] * 20 + codes[:, 1]
        assert normalized_mutual_info_score(4 * first + second, both) > 0.8, scheme
    random = uniform(1000, (5, 4, 60), 0).codes
    assert normalized_mutual_info_score(first, random[:, 0]) < 0.1


@pytest.mark.parametrize("gradient", ["straight-through", "rotation"])
def test_an_auto_encoder_improves_on_residual_means_and_uses_every_code(
    gradient: str, points: np.ndarray, corpus: Corpus
) -> None:
    learned = fitted("rq-vae", points, corpus, rqvae={"gradient": gradient})
    assert [len(np.unique(column)) for column in learned.codes.T] == [16, 16]
    if gradient == "straight-through":
        means = fitted("rq-kmeans", points, corpus)
        ours, theirs = (error(q.quantiser, q.codes, q.vectors) for q in (learned, means))
        assert ours is not None
        assert theirs is not None
        assert ours < theirs


def test_a_rotation_lowers_the_error_of_product_codes(corpus: Corpus) -> None:
    rng = np.random.default_rng(0)
    # the first half of the vector has all the variance
    vectors = rng.normal(size=(800, 8)) * np.array([9, 9, 9, 9, 0.1, 0.1, 0.1, 0.1])
    errors = []
    for scheme in ("pq", "opq"):
        q = fitted(scheme, vectors, corpus)
        errors.append(error(q.quantiser, q.codes, q.vectors))
    assert errors[1] < 0.8 * errors[0]


def test_fewer_items_than_codes_is_an_error(corpus: Corpus) -> None:
    for scheme in sorted(BY_VECTORS | {"cid"}):
        with pytest.raises(UserError, match="at least 16 items, one per code, got 5 items; set it"):
            fitted(scheme, np.zeros((5, 20)), corpus)


def test_product_codes_need_a_subvector_for_each_level(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="at most 3, the width of the vectors, got 4"):
        fitted("pq", np.zeros((20, 3)), corpus, levels=4)


def test_uniform_codes_are_unique_and_can_fill_the_tree() -> None:
    assert len(np.unique(uniform(24, (2, 3, 4), 0).codes, axis=0)) == 24
    codes = uniform(5000, (64, 64, 64), 1)
    assert len(np.unique(codes.codes, axis=0)) == 5000
    assert [len(np.unique(column)) for column in codes.codes.T] == [64, 64, 64]
    with pytest.raises(UserError, match="between 25"):
        uniform(25, (2, 3, 4), 0)


def test_the_permutation_control_has_the_same_tree_and_other_assignments() -> None:
    codes = uniform(500, (16, 16, 16), 0)
    control = permuted(codes, 0)
    assert control.sizes == codes.sizes
    assert sorted(map(tuple, control.codes)) == sorted(map(tuple, codes.codes))
    assert (control.codes != codes.codes).any(axis=1).mean() > 0.99
    np.testing.assert_array_equal(control.codes, permuted(codes, 0).codes)


def test_a_tree_with_more_tuples_than_numbers_is_refused(
    points: np.ndarray, corpus: Corpus
) -> None:
    with pytest.raises(UserError, match=r"at most 2\^62 code tuples of a tree, got 2\^72"):
        fitted("h-kmeans", points, corpus, levels=12, codebook=64)


def test_balanced_is_refused_where_it_has_no_effect() -> None:
    with pytest.raises(ValueError, match="balanced: expected one of the schemes h-kmeans"):
        IdsConfig(scheme="opq", balanced=True)
