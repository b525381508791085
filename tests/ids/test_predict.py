"""What the last item's codes tell of the next one: planted effects, their null twins, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, Interactions, ItemCodes, Split
from p5rec.ids.plain import permuted, uniform
from p5rec.ids.predict import predictability, transitions
from p5rec.ids.quality import quality

USERS, EVENTS, GROUPS, EACH = 400, 10, 6, 12
ITEMS = GROUPS * EACH


def world(planted: bool, seed: int = 0) -> tuple[Interactions, Split, ItemCodes]:
    """Codes that name an item's group; users keep to a group, or take anything at all."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    group = users % GROUPS if planted else rng.integers(0, GROUPS, len(users))
    items = (group * EACH + rng.integers(0, EACH, len(users))).astype(np.int32)
    keys = id_keys(range(USERS)), id_keys(range(ITEMS))
    log = Interactions(users, items, np.arange(len(users)), None, *keys)
    rows = np.arange(ITEMS, dtype=np.int32)
    codes = ItemCodes(np.stack([rows // EACH, rows % EACH], axis=1), (GROUPS, EACH), "groups")
    return log, Split("all", np.full(len(users), TRAIN, np.int8)), codes


def test_a_planted_group_is_told_nearly_whole() -> None:
    log, split, codes = world(planted=True)
    told = predictability(codes, log, split, 0)
    assert told is not None
    saved, null = told
    assert null == pytest.approx(np.log2(ITEMS), abs=0.1)
    assert np.log2(GROUPS) - 0.15 < saved < np.log2(GROUPS) + 0.05
    dealt = predictability(permuted(codes, 0), log, split, 0)
    assert dealt is not None
    assert dealt[0] < saved - 0.5  # counts of items after items tell the rest


def test_where_nothing_was_planted_nothing_is_told() -> None:
    log, split, codes = world(planted=False)
    chance = uniform(ITEMS, (GROUPS, EACH), 0)
    for each in (codes, chance):
        told = predictability(each, log, split, 0)
        assert told is not None
        assert abs(told[0]) < 0.02


def test_transitions_are_neighbours_in_training_alone() -> None:
    items = np.array([4, 1, 2, 9, 3, 3, 5], dtype=np.int32)
    users = np.array([0, 0, 0, 0, 1, 1, 1], dtype=np.int32)
    parts = np.array([TRAIN, TRAIN, TRAIN, TEST, TRAIN, TEST, TRAIN], dtype=np.int8)
    log = Interactions(users, items, np.arange(7), None, id_keys(range(2)), id_keys(range(10)))
    pairs, whose = transitions(log, Split("x", parts))
    assert pairs.tolist() == [[4, 1], [1, 2], [3, 5]]
    assert whose.tolist() == [0, 0, 1]


def test_too_few_histories_tell_nothing() -> None:
    log, split, codes = world(planted=True)
    nobody = Split("none", np.full(len(log), TEST, np.int8))
    assert predictability(codes, log, nobody, 0) is None
    report = quality(codes, log, nobody, 0)
    assert report["next_item_bits"] is None
    assert report["popularity_bits"] is None
    assert split.name == "all"
