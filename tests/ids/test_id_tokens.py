"""Codes as text."""

from __future__ import annotations

import numpy as np

from p5rec.core.item_codes import ItemCodes
from p5rec.ids.tokens import item_strings, level_names, token_strings

CODES = ItemCodes(np.array([[12, 7], [1, 2], [12, 0]], dtype=np.int32), (13, 8), "any")


def test_words_are_in_flat_order() -> None:
    words = token_strings(CODES.sizes)
    assert words[:2] == ["<a_0>", "<a_1>"]
    assert words[13] == "<b_0>"
    assert len(words) == len(set(words)) == 21
    assert ["".join(words[f] for f in row) for row in CODES.flat] == item_strings(CODES)


def test_items_by_hand() -> None:
    assert item_strings(CODES) == ["<a_12><b_7>", "<a_1><b_2>", "<a_12><b_0>"]


def test_levels_after_z_have_two_letters() -> None:
    names = level_names(60)
    assert names[:2] + names[25:28] + names[52:54] == ["a", "b", "z", "aa", "ab", "ba", "bb"]
    assert len(set(token_strings([3] * 60))) == 180
