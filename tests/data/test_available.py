"""Items are available from their first event on; negatives are sampled from available items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from p5rec.core.rng import derive_rng, id_keys, keyed
from p5rec.core.types import Interactions
from p5rec.data.available import ALWAYS, Available
from p5rec.data.negatives import sample_negatives

USERS, ITEMS, TIMES = [0, 0, 0, 1, 1, 2], [4, 1, 1, 2, 4, 0], [10, 20, 30, 5, 15, 20]


def small_log() -> Interactions:
    """A log of five items, the fourth without an event."""
    users, items = (np.array(each, dtype=np.int32) for each in (USERS, ITEMS))
    keys = id_keys(range(3)), id_keys(range(5))
    return Interactions(users, items, np.array(TIMES), None, *keys)


def test_an_item_is_available_from_its_first_event_on() -> None:
    log = small_log()
    assert Available.of(log).since.tolist() == [20, 20, 5, ALWAYS, 10]
    train = np.array([True, False, True, True, False, True])
    assert Available.of(log, train).since.tolist() == [20, 30, 5, ALWAYS, 10]
    assert (Available.of(replace(log, dated=False)).since == ALWAYS).all()
    available, times = Available.of(log), np.array([4, 5, 10, 19, 20, 99])
    counts = [int(available.at(time).sum()) for time in times]
    assert available.counts(times).tolist() == counts == [1, 2, 3, 3, 5, 5]


def test_samples_are_uniform_over_available_items_and_depend_on_keys() -> None:
    available, keys = Available.of(small_log()), id_keys(range(6000))
    times = np.resize([5, 10, 20], 6000)
    counts = available.counts(times)
    items = available.sample(counts, keyed(keys, 0))
    for time in (5, 10, 20):
        shares = np.bincount(items[times == time], minlength=5) / 2000
        present = available.at(time)
        assert (shares[~present] == 0).all()
        assert np.abs(shares[present] - 1 / present.sum()).max() < 0.04
    some = np.array([5, 17, 4000])
    assert (available.sample(counts[some], keyed(keys[some], 0)) == items[some]).all()


def test_negatives_are_available_items() -> None:
    titles, keys = [f"T{n}" for n in range(30)], id_keys(range(30))
    since = np.repeat([0, 5, 9], 10)
    for time, wanted in ((0, 8), (5, 12), (9, 12)):
        present = Available(since).at(time)
        items = sample_negatives(np.array([0, 1]), present, titles, keys, 12, derive_rng(time))
        assert len(items) == wanted
        assert present[items].all()
    # an item of the later sample is also in the earlier one, if it was available
    late = sample_negatives(np.zeros(0, int), since < 9, titles, keys, 20, derive_rng(1))
    early = sample_negatives(np.zeros(0, int), since < 5, titles, keys, 20, derive_rng(1))
    assert early == [item for item in late if since[item] < 5]
