"""Co-occurrence counts and vectors, against hand-computed values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, Interactions, Split
from p5rec.ids.config import CooccurrenceConfig
from p5rec.ids.cooccurrence import cooccurrence_vectors, pair_counts, ppmi


def log(users: list[int], items: list[int], of_event: list[int]) -> tuple[Interactions, Split]:
    events = Interactions(
        np.array(users, dtype=np.int32), np.array(items, dtype=np.int32),
        np.arange(len(users)), None, id_keys(range(max(users) + 1)), id_keys(range(5)),
    )  # fmt: skip
    return events, Split("any", np.array(of_event, dtype=np.int8))


def test_pairs_are_limited_by_window_and_user() -> None:
    events, split = log([0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 3, 0], [0] * 6)
    expected = np.zeros((5, 5))
    for i, j in [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (3, 0)]:
        expected[i, j] = expected[j, i] = 1
    np.testing.assert_array_equal(pair_counts(events, split, 2).toarray(), expected)


def test_an_item_is_not_its_own_neighbour() -> None:
    events, split = log([0, 0, 0], [1, 1, 2], [0] * 3)
    counts = pair_counts(events, split, 5).toarray()
    assert counts[1, 1] == 0
    assert counts[1, 2] == 2


def test_a_window_may_be_longer_than_the_log() -> None:
    events, split = log([0, 0], [0, 1], [0, 0])
    assert pair_counts(events, split, 9).sum() == 2


def test_ppmi_by_hand() -> None:
    # marginals 3, 3, 2 of 8: pmi(0,1) = log(2 * 8 / 9), pmi(0,2) = log(1 * 8 / 6)
    counts = sp.csr_array(np.array([[0.0, 2, 1], [2, 0, 1], [1, 1, 0]]))
    a, b = np.log(16 / 9), np.log(8 / 6)
    np.testing.assert_allclose(ppmi(counts).toarray(), [[0, a, b], [a, 0, b], [b, b, 0]])


def test_negative_information_is_zero() -> None:
    counts = np.full((3, 3), 10.0) - 9.9 * np.eye(3)
    assert ppmi(sp.csr_array(counts)).toarray()[0, 0] == 0


def test_vectors_use_training_events_alone(events_and_split: tuple[Interactions, Split]) -> None:
    events, split = events_and_split
    held_out = split.of_event != 0
    items = events.items.copy()
    items[held_out] = np.random.default_rng(1).integers(0, events.n_items, held_out.sum())
    other = replace(events, items=items)
    config = CooccurrenceConfig(dim=8)
    np.testing.assert_array_equal(
        cooccurrence_vectors(events, split, config, 0),
        cooccurrence_vectors(other, split, config, 0),
    )


def test_vectors_separate_the_groups_and_unseen_items_are_nan(
    events_and_split: tuple[Interactions, Split],
) -> None:
    vectors = cooccurrence_vectors(*events_and_split, CooccurrenceConfig(dim=4), 0)
    assert vectors.shape == (26, 4)
    assert vectors.dtype == np.float32
    assert np.isnan(vectors[24:]).all()
    unit = vectors[:24] / np.linalg.norm(vectors[:24], axis=1, keepdims=True)
    alike = unit @ unit.T
    same = np.equal.outer(np.arange(24) % 2, np.arange(24) % 2)
    assert alike[same].mean() > alike[~same].mean() + 0.5


def test_products_of_vectors_give_the_information_matrix(
    events_and_split: tuple[Interactions, Split],
) -> None:
    """At full rank the Gram matrix of U sqrt(S) is the absolute value of the matrix."""
    information = ppmi(pair_counts(*events_and_split, 5)).toarray()
    vectors = cooccurrence_vectors(*events_and_split, CooccurrenceConfig(dim=25), 0).astype(
        np.float64
    )
    vectors = np.nan_to_num(vectors)
    values, basis = np.linalg.eigh(information)
    np.testing.assert_allclose(vectors @ vectors.T, (basis * abs(values)) @ basis.T, atol=1e-5)


def test_signs_and_values_are_deterministic(events_and_split: tuple[Interactions, Split]) -> None:
    one, two = (
        np.nan_to_num(cooccurrence_vectors(*events_and_split, CooccurrenceConfig(dim=6), s))
        for s in (0, 1)
    )
    again = cooccurrence_vectors(*events_and_split, CooccurrenceConfig(dim=6), 0)
    np.testing.assert_array_equal(one, np.nan_to_num(again))
    assert (one[np.abs(one).argmax(axis=0), np.arange(6)] > 0).all()
    np.testing.assert_allclose(one, two, atol=1e-4)  # the initial vector changes rounding alone


def test_histories_without_pairs_are_an_error() -> None:
    events, split = log([0, 0, 1], [0, 1, 2], [0, TEST, 0])
    with pytest.raises(UserError, match="2 training events without any such pair"):
        cooccurrence_vectors(events, split, CooccurrenceConfig(), 0)
