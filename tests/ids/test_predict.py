"""Information of the last item's codes about the next item: planted effects and null twins."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, Interactions, Split
from p5rec.ids.codebook_metrics import codebook_metrics
from p5rec.ids.plain import permuted, uniform
from p5rec.ids.predict import predictability, transitions

USERS, EVENTS, GROUPS, EACH = 400, 10, 6, 12
ITEMS = GROUPS * EACH


def synthetic(planted: bool, seed: int = 0) -> tuple[Interactions, Split, ItemCodes]:
    """Codes name an item's group. Planted: users stay in one group; null: users take any item."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    group = users % GROUPS if planted else rng.integers(0, GROUPS, len(users))
    items = (group * EACH + rng.integers(0, EACH, len(users))).astype(np.int32)
    keys = id_keys(range(USERS)), id_keys(range(ITEMS))
    log = Interactions(users, items, np.arange(len(users)), None, *keys)
    rows = np.arange(ITEMS, dtype=np.int32)
    codes = ItemCodes(np.stack([rows // EACH, rows % EACH], axis=1), (GROUPS, EACH), "groups")
    return log, Split("all", np.full(len(users), TRAIN, np.int8)), codes


def test_a_planted_group_saves_nearly_all_its_bits() -> None:
    log, split, codes = synthetic(planted=True)
    bits = predictability(codes, log, split, 0)
    assert bits is not None
    saved, null = bits
    assert null == pytest.approx(np.log2(ITEMS), abs=0.1)
    assert np.log2(GROUPS) - 0.15 < saved < np.log2(GROUPS) + 0.05
    control = predictability(permuted(codes, 0), log, split, 0)
    assert control is not None
    assert control[0] < saved - 0.5  # the rest comes from item-to-item counts


def test_without_a_planted_effect_no_bits_are_saved() -> None:
    log, split, codes = synthetic(planted=False)
    random = uniform(ITEMS, (GROUPS, EACH), 0)
    for each in (codes, random):
        bits = predictability(each, log, split, 0)
        assert bits is not None
        assert abs(bits[0]) < 0.02


def test_transitions_are_successive_training_events() -> None:
    items = np.array([4, 1, 2, 9, 3, 3, 5], dtype=np.int32)
    users = np.array([0, 0, 0, 0, 1, 1, 1], dtype=np.int32)
    of_event = np.array([TRAIN, TRAIN, TRAIN, TEST, TRAIN, TEST, TRAIN], dtype=np.int8)
    log = Interactions(users, items, np.arange(7), None, id_keys(range(2)), id_keys(range(10)))
    pairs, pair_users = transitions(log, Split("x", of_event))
    assert pairs.tolist() == [[4, 1], [1, 2], [3, 5]]
    assert pair_users.tolist() == [0, 0, 1]


def test_too_few_histories_give_no_bits() -> None:
    log, split, codes = synthetic(planted=True)
    nobody = Split("none", np.full(len(log), TEST, np.int8))
    assert predictability(codes, log, nobody, 0) is None
    report = codebook_metrics(codes, log, nobody, 0)
    assert report["next_item_bits"] is None
    assert report["popularity_bits"] is None
    assert split.name == "all"
