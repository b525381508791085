"""Codes as words and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.types import ItemCodes
from p5rec.ids.plain import uniform
from p5rec.ids.tokens import item_strings, parse_items, token_strings

CODES = ItemCodes(np.array([[12, 7], [1, 2], [12, 0]], dtype=np.int32), (13, 8), "any")


def test_words_stand_in_flat_order() -> None:
    words = token_strings(CODES.sizes)
    assert words[:2] == ["<a_0>", "<a_1>"]
    assert words[13] == "<b_0>"
    assert len(words) == len(set(words)) == 21
    assert ["".join(words[f] for f in row) for row in CODES.flat] == item_strings(CODES)


def test_items_by_hand() -> None:
    assert item_strings(CODES) == ["<a_12><b_7>", "<a_1><b_2>", "<a_12><b_0>"]


@given(st.lists(st.integers(0, 99)), st.integers(0, 3), st.sampled_from(["", " ", ", ", "\n- "]))
def test_round_trip(rows: list[int], seed: int, between: str) -> None:
    codes = uniform(100, (6, 5, 4), seed)
    names = item_strings(codes)
    text = "I liked " + between.join(names[r] for r in rows) + "."
    assert parse_items(text, codes).tolist() == rows


def test_what_is_no_item_is_minus_one() -> None:
    bad = ["<a_1>", "<b_2>", "<a_1><b_3>", "<a_1><b_2><c_0>", "<a_01><b_2>", "<a_99><b_0>"]
    assert [parse_items(text, CODES).tolist() for text in bad] == [[-1]] * len(bad)
    assert parse_items("<a_1><a_1><b_2><b_7>", CODES).tolist() == [-1, -1]
    assert parse_items("Toy Story <a_ 1>", CODES).tolist() == []
