"""Draws by key: uniform, independent of each other and of other keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.rng import (
    by_key,
    combined,
    event_keys,
    id_keys,
    keyed,
    occurrence,
    ranks,
    sampled,
    smallest,
    uniform,
)

MANY = id_keys(range(100_000))


def chi_square(counts: np.ndarray) -> float:
    """Standard deviations by which counts differ from uniform ones."""
    expected = counts.sum() / counts.size
    degrees = counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - degrees) / (2 * degrees) ** 0.5)


def test_draws_are_uniform() -> None:
    for names in ((), ("ties",), ("windows", 3)):
        drawn = uniform(keyed(MANY, 0, *names))
        assert ((drawn >= 0) & (drawn < 1)).all()
        assert abs(chi_square(np.histogram(drawn, 256, (0, 1))[0])) < 5
        low = keyed(MANY, 0, *names) % np.uint64(97)
        assert abs(chi_square(np.bincount(low.astype(int), minlength=97))) < 5


@pytest.mark.parametrize("other", [(0, "b"), (1, "a"), (0, "a", 1)])
def test_purposes_and_seeds_are_independent(other: tuple[int, str]) -> None:
    one, two = uniform(keyed(MANY, 0, "a")), uniform(keyed(MANY, *other))
    joint = np.histogram2d(one, two, 16, [[0, 1], [0, 1]])[0]
    assert abs(chi_square(joint)) < 5
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_consecutive_keys_give_uniform_draws() -> None:
    """Plain numbers in place of hashes still give uniform draws after combining."""
    pairs = combined(np.repeat(np.arange(300, dtype=np.uint64), 300),
                     np.tile(np.arange(300, dtype=np.uint64), 300))  # fmt: skip
    assert len(np.unique(pairs)) == len(pairs)
    assert abs(chi_square(np.histogram(uniform(keyed(pairs, 0, "a")), 256, (0, 1))[0])) < 5


@given(values=st.lists(st.integers(0, 6), max_size=30), data=st.data())
def test_occurrence(values: list[int], data: st.DataObject) -> None:
    column = np.array(values, dtype=np.int64)
    wanted = [values[:at].count(value) for at, value in enumerate(values)]
    assert occurrence(column).tolist() == wanted
    order = np.array(data.draw(st.permutations(range(len(values)))), dtype=np.int64)
    assert occurrence(column[order], order).tolist() == [wanted[e] for e in order]


def test_equal_events_have_different_keys_independent_of_other_events() -> None:
    users, items = id_keys(["u", "u", "v", "u"]), id_keys(["a", "a", "a", "b"])
    times = np.array([5, 5, 5, -1])
    keys = event_keys(users, items, times)
    assert len(set(keys.tolist())) == 4
    left = np.array([0, 1, 3])
    assert event_keys(users[left], items[left], times[left]).tolist() == keys[left].tolist()
    turned = event_keys(users[::-1], items[::-1], times[::-1], np.arange(4)[::-1])
    assert turned.tolist() == keys[::-1].tolist()


@given(n=st.integers(0, 400), gone=st.integers(0, 399), take=st.integers(0, 40))
def test_a_removed_key_changes_nothing_else(n: int, gone: int, take: int) -> None:
    keys = id_keys(range(n))
    left = np.delete(np.arange(n), [gone] if gone < n else [])
    order = by_key(keys, 3, "x")
    assert left[by_key(keys[left], 3, "x")].tolist() == [index for index in order if index in left]
    assert ranks(keys, 3, "x")[order].tolist() == list(range(n))
    some, fewer = sampled(keys, take, 3, "x"), left[sampled(keys[left], take, 3, "x")]
    assert sorted(some) == some.tolist()
    assert len(some) == min(take, n)
    assert set(some.tolist()) - {gone} <= set(fewer.tolist())


@given(n=st.integers(0, 2000), take=st.integers(0, 50), seed=st.integers(0, 5))
def test_the_smallest_equal_those_of_a_full_sort(n: int, take: int, seed: int) -> None:
    hashes = keyed(id_keys(range(n)), seed)
    assert smallest(hashes, take).tolist() == np.argsort(hashes)[:take].tolist()


def test_the_smallest_of_hashes_that_are_not_uniform() -> None:
    hashes = np.full(1000, 2**64 - 1, dtype=np.uint64) - np.arange(1000, dtype=np.uint64)
    assert smallest(hashes, 3).tolist() == [999, 998, 997]
