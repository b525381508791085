"""Sampled negatives are unseen and distinct, and depend on the items' ids."""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import derive_rng, id_keys
from p5rec.data.negatives import sample_negatives

TITLES = [f"Item {n}" for n in range(12)]
KEYS = id_keys(TITLES)


def negatives(
    seen: np.ndarray, titles: list[str], keys: np.ndarray, count: int, rng: np.random.Generator
) -> list[int]:
    """Sampled negatives with all items available."""
    return sample_negatives(seen, np.ones(len(titles), bool), titles, keys, count, rng)


def test_negatives_are_unseen_and_distinct() -> None:
    for seed, seen in enumerate(([0, 1, 2, 2], [3], [], list(range(8)))):
        result = negatives(np.array(seen, int), TITLES, KEYS, 4, derive_rng(seed))
        assert len(set(result)) == 4
        assert not set(seen) & set(result)
        if len(seen) == 8:
            assert set(result) == {8, 9, 10, 11}


def test_negatives_are_uniform() -> None:
    seen = np.array([0])
    result = [negatives(seen, TITLES[:10], KEYS[:10], 3, derive_rng(0, n)) for n in range(3000)]
    counts = np.bincount(np.concatenate(result), minlength=10)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 1000).max() < 120


def test_an_item_outside_the_sample_changes_nothing() -> None:
    result = negatives(np.array([0]), TITLES, KEYS, 4, derive_rng(0))
    removed = next(n for n in range(11, 0, -1) if n not in result)
    others = [n for n in range(12) if n != removed]
    titles = [TITLES[n] for n in others]
    again = negatives(np.array([0]), titles, KEYS[others], 4, derive_rng(0))
    assert [others[n] for n in again] == result


def test_if_few_items_remain_all_are_returned_with_distinct_titles() -> None:
    titles = ["Seen", "Seen", "Twin", "Twin", "Other"]
    result = negatives(np.array([0]), titles, KEYS[:5], 4, derive_rng(0))
    assert sorted(titles[item] for item in result) == ["Other", "Twin"]
