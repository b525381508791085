"""Negatives are unmet and different, and hang on the items' ids."""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import derive_rng, id_keys
from p5rec.data.negatives import sample_negatives

TITLES = [f"Item {n}" for n in range(12)]
KEYS = id_keys(TITLES)


def drawn(
    met: np.ndarray, titles: list[str], keys: np.ndarray, count: int, rng: np.random.Generator
) -> list[int]:
    """Negatives where all items could be shown."""
    return sample_negatives(met, np.ones(len(titles), bool), titles, keys, count, rng)


def test_negatives_are_unmet_and_different() -> None:
    for seed, met in enumerate(([0, 1, 2, 2], [3], [], list(range(8)))):
        found = drawn(np.array(met, int), TITLES, KEYS, 4, derive_rng(seed))
        assert len(set(found)) == 4
        assert not set(met) & set(found)
        if len(met) == 8:
            assert set(found) == {8, 9, 10, 11}


def test_negatives_are_uniform() -> None:
    met = np.array([0])
    found = [drawn(met, TITLES[:10], KEYS[:10], 3, derive_rng(0, n)) for n in range(3000)]
    counts = np.bincount(np.concatenate(found), minlength=10)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 1000).max() < 120


def test_an_item_that_is_not_drawn_changes_nothing() -> None:
    found = drawn(np.array([0]), TITLES, KEYS, 4, derive_rng(0))
    gone = next(n for n in range(11, 0, -1) if n not in found)
    kept = [n for n in range(12) if n != gone]
    titles = [TITLES[n] for n in kept]
    again = drawn(np.array([0]), titles, KEYS[kept], 4, derive_rng(0))
    assert [kept[n] for n in again] == found


def test_too_few_negatives_are_all_given_and_titles_differ() -> None:
    titles = ["Met", "Met", "Twin", "Twin", "Other"]
    found = drawn(np.array([0]), titles, KEYS[:5], 4, derive_rng(0))
    assert sorted(titles[item] for item in found) == ["Other", "Twin"]
