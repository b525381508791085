"""Positions of tokens whose item codes share one, against plain loops."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from p5rec.models.positions import item_starts, merge

FIRST, SIZES = 10, (3, 2, 2)  # words are 0..9, codes of the levels 10..12, 13..14, 15..16

PIECES = st.one_of(
    st.integers(0, 9).map(lambda w: [w]),
    st.integers(10, 16).map(lambda c: [c]),  # a stray code
    st.tuples(st.integers(10, 12), st.integers(13, 14), st.integers(15, 16)).map(list),
)
TEXTS = st.lists(
    st.lists(PIECES, min_size=1, max_size=8).map(
        lambda pieces: [token for piece in pieces for token in piece]
    ),
    min_size=1,
    max_size=4,
)


def by_hand(text: list[int]) -> list[int]:
    """The first token of each position."""
    first_tokens, t = [], 0
    while t < len(text):
        first_tokens.append(t)
        levels = [(x >= 10) + (x >= 13) + (x >= 15) for x in text[t : t + 3]]
        t += 3 if levels == [1, 2, 3] else 1
    return first_tokens


@given(texts=TEXTS, left=st.booleans(), at_end=st.booleans())
def test_an_item_is_one_position_and_every_other_token_has_its_own(
    texts: list[list[int]], left: bool, at_end: bool
) -> None:
    width = max(map(len, texts))
    gaps = [[0] * (width - len(text)) for text in texts]
    pairs = list(zip(texts, gaps, strict=True))
    ids = torch.tensor([gap + text if left else text + gap for text, gap in pairs])
    ones = [[1] * len(text) for text in texts]
    mask = torch.tensor(
        [g + o if left else o + g for o, g in zip(ones, gaps, strict=True)], dtype=torch.bool
    )
    at = merge(item_starts(ids, FIRST, SIZES), mask, 3, at_end=at_end)
    expected = [by_hand(text) for text in texts]
    assert at.real.shape == at.first_tokens.shape == (len(texts), max(map(len, expected)))
    for b, first_tokens in enumerate(expected):
        shift = len(gaps[b]) if left else 0
        real = at.real[b].nonzero()[:, 0]
        assert len(real) == len(first_tokens)
        assert real[-1] == at.real.shape[1] - 1 if at_end else real[0] == 0
        assert at.first_tokens[b, real].tolist() == [shift + t for t in first_tokens]
        token_positions = at.token_positions[b, shift : shift + len(texts[b])]
        owner = [max(t for t in first_tokens if t <= token) for token in range(len(texts[b]))]
        assert at.first_tokens[b, token_positions].tolist() == [shift + t for t in owner]


def test_items_of_one_level() -> None:
    ids = torch.tensor([[4, 10, 11, 5]])
    starts = item_starts(ids, FIRST, (3,))
    assert starts.tolist() == [[False, True, True, False]]
    assert merge(starts, torch.ones_like(starts), 1).token_positions.tolist() == [[0, 1, 2, 3]]
