"""Codebook metrics, against hand-computed values."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys
from p5rec.core.types import Interactions, Split
from p5rec.ids.codebook_metrics import codebook_metrics, purity, samples, usage

CODES = ItemCodes(np.array([[0, 0], [0, 1], [1, 0], [1, 2]], dtype=np.int32), (4, 3), "any")


def test_usage_by_hand() -> None:
    first, second = usage(CODES)
    assert (first["level"], first["used"], first["utilisation"]) == ("a", 2, 0.5)
    assert (first["entropy"], first["entropy_share"]) == (1.0, 0.5)
    assert (first["prefixes"], first["prefix_share"]) == (2, 0.5)
    assert second["entropy"] == pytest.approx(1.5)  # shares 1/2, 1/4, 1/4
    assert (second["prefixes"], second["prefix_share"]) == (4, 1.0)


def test_purity_by_hand() -> None:
    counts = np.zeros((4, 4))
    counts[0, 1] = counts[1, 0] = 3  # the same first code
    counts[1, 2] = counts[2, 1] = 1  # another first code
    assert purity(CODES, sp.csr_array(counts), np.arange(4)) == 0.5
    assert purity(CODES, sp.csr_array((4, 4)), np.arange(4)) is None


def test_purity_uses_the_ten_closest_neighbours() -> None:
    codes = ItemCodes(np.r_[np.zeros(11), np.ones(30)].astype(np.int32)[:, None], (2,), "any")
    counts = np.zeros((41, 41))
    counts[0, 1:11], counts[0, 11:] = 2, 1
    assert purity(codes, sp.csr_array(counts), np.arange(41)) == 1.0


def test_a_perfect_code_is_pure_and_the_permutation_control_is_not(
    events_and_split: tuple[Interactions, Split],
) -> None:
    events, split = events_and_split
    rows = np.arange(events.n_items, dtype=np.int32)
    codes = ItemCodes(np.stack([rows % 2, rows // 2], axis=1), (2, 13), "any")
    report = codebook_metrics(codes, events, split, 0)
    assert report["neighbour_purity"] == 1.0
    assert 0.3 < report["neighbour_purity_permuted"] < 0.7
    json.dumps(report, allow_nan=False)


def test_samples_list_the_most_frequent_items_first() -> None:
    items = np.array([1, 0, 1, 3, 2, 2, 2], dtype=np.int32)
    users, keys = np.zeros(7, dtype=np.int32), (id_keys(range(1)), id_keys(range(4)))
    events = Interactions(users, items, np.arange(7), None, *keys)
    split = Split("any", np.array([0, 0, 0, 0, 2, 2, 2], dtype=np.int8))
    groups = samples(CODES, ["p", "q", "r", "s"], events, split, k=1)
    assert groups == [
        {"code": 0, "items": 2, "names": ["q"]},
        {"code": 1, "items": 2, "names": ["s"]},
    ]
