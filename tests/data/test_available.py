"""Items can be shown from their first event on, and are drawn from those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from p5rec.core.rng import derive_rng, id_keys, keyed
from p5rec.core.types import Interactions
from p5rec.data.available import ALWAYS, Available
from p5rec.data.negatives import sample_negatives

USERS, ITEMS, TIMES = [0, 0, 0, 1, 1, 2], [4, 1, 1, 2, 4, 0], [10, 20, 30, 5, 15, 20]


def small_log() -> Interactions:
    """Of five items the fourth has no event."""
    users, items = (np.array(each, dtype=np.int32) for each in (USERS, ITEMS))
    keys = id_keys(range(3)), id_keys(range(5))
    return Interactions(users, items, np.array(TIMES), None, *keys)


def test_an_item_can_be_shown_from_its_first_event_on() -> None:
    log = small_log()
    assert Available.of(log).since.tolist() == [20, 20, 5, ALWAYS, 10]
    train = np.array([True, False, True, True, False, True])
    assert Available.of(log, train).since.tolist() == [20, 30, 5, ALWAYS, 10]
    assert (Available.of(replace(log, dated=False)).since == ALWAYS).all()
    available, times = Available.of(log), np.array([4, 5, 10, 19, 20, 99])
    counts = [int(available.at(time).sum()) for time in times]
    assert available.counts(times).tolist() == counts == [1, 2, 3, 3, 5, 5]


def test_draws_are_even_among_what_could_be_shown_and_hang_on_keys() -> None:
    available, keys = Available.of(small_log()), id_keys(range(6000))
    times = np.resize([5, 10, 20], 6000)
    counts = available.counts(times)
    found = available.drawn(counts, keyed(keys, 0))
    for time in (5, 10, 20):
        shares = np.bincount(found[times == time], minlength=5) / 2000
        could = available.at(time)
        assert (shares[~could] == 0).all()
        assert np.abs(shares[could] - 1 / could.sum()).max() < 0.04
    rows = np.array([5, 17, 4000])
    assert (available.drawn(counts[rows], keyed(keys[rows], 0)) == found[rows]).all()


def test_candidates_are_items_that_could_be_shown() -> None:
    titles, keys = [f"T{n}" for n in range(30)], id_keys(range(30))
    since = np.repeat([0, 5, 9], 10)
    for time, wanted in ((0, 8), (5, 12), (9, 12)):
        could = Available(since).at(time)
        found = sample_negatives(np.array([0, 1]), could, titles, keys, 12, derive_rng(time))
        assert len(found) == wanted
        assert could[found].all()
    # what is drawn later on is drawn before as well, where it could be shown
    late = sample_negatives(np.zeros(0, int), since < 9, titles, keys, 20, derive_rng(1))
    early = sample_negatives(np.zeros(0, int), since < 5, titles, keys, 20, derive_rng(1))
    assert early == [item for item in late if since[item] < 5]
