"""Order, repeats and k-core, against plain loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.rng import event_keys, id_keys
from p5rec.data.reduce import k_core, one_per_pair, repeats, time_order

events = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40
)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(rows, dtype=np.int64).T)


@given(rows=events, least_user=st.integers(1, 4), least_item=st.integers(1, 4))
def test_k_core(rows: list[tuple[int, int, int]], least_user: int, least_item: int) -> None:
    users, items, _ = columns(rows)
    left = list(range(len(rows)))
    while True:
        per_user, per_item = Counter(users[left].tolist()), Counter(items[left].tolist())
        good = [
            e for e in left if per_user[users[e]] >= least_user and per_item[items[e]] >= least_item
        ]
        if good == left:
            break
        left = good
    assert np.flatnonzero(k_core(users, items, least_user, least_item)).tolist() == left


@given(rows=events)
def test_repeats(rows: list[tuple[int, int, int]]) -> None:
    users, items, times = columns(rows)
    repeat = repeats((users, items, times), np.arange(len(rows)))
    assert repeat.tolist() == [row in rows[:e] for e, row in enumerate(rows)]
    pairs = list(zip(users.tolist(), items.tolist(), strict=True))
    first, last = (one_per_pair(users, items, which) for which in ("first", "last"))
    assert first.tolist() == [pair not in pairs[:e] for e, pair in enumerate(pairs)]
    assert last.tolist() == [pair not in pairs[e + 1 :] for e, pair in enumerate(pairs)]


def keys_of(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    names = id_keys(range(4000))
    return event_keys(names[users], names[items], times, rows)


def test_equal_times_are_shuffled_by_seed_and_not_by_file_or_id() -> None:
    n = 4000
    users, items, times = np.zeros(n, int), np.arange(n) % 50, np.zeros(n, int)
    keys = keys_of(users, items, times, np.arange(n))
    order = time_order(users, times, keys, seed=1)
    assert sorted(order.tolist()) == list(range(n))
    rising = (np.diff(items[order]) > 0).sum() / (np.diff(items[order]) != 0).sum()
    assert abs(rising - 0.5) < 0.04
    assert (order != time_order(users, times, keys, seed=2)).any()
    assert (order == time_order(users, times, keys, seed=1)).all()


def test_the_order_of_the_file_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    users, times = rng.integers(0, 5, 200), rng.integers(0, 8, 200)
    items = np.arange(200)  # every event differs, so nothing but content can decide
    mixed = rng.permutation(200)
    plain = time_order(users, times, keys_of(users, items, times, np.arange(200)), seed=0)
    keys = keys_of(users[mixed], items[mixed], times[mixed], np.arange(200))
    other = time_order(users[mixed], times[mixed], keys, seed=0)
    assert items[plain].tolist() == items[mixed][other].tolist()
    ordered = np.stack([users, times], axis=1)[plain].tolist()
    assert ordered == sorted(ordered)
