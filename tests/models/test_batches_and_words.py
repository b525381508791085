"""Padding, batches by length, histories and prompts as token ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.examples import Example
from p5rec.core.types import Histories
from p5rec.models.inputs import by_length, encode_target, fit_prompt, pad

ROWS = st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=6)


@given(rows=ROWS)
def test_padding_changes_no_row(rows: list[list[int]]) -> None:
    ids, mask = pad([np.array(row, dtype=np.int64) for row in rows], 0)
    width = max(map(len, rows))
    for b, row in enumerate(rows):
        gap = [0] * (width - len(row))
        assert ids[b].tolist() == row + gap
        assert mask[b].tolist() == [1] * len(row) + gap


@given(
    lengths=st.lists(st.integers(0, 50), max_size=30),
    tokens=st.integers(1, 120),
)
def test_batches_by_length_hold_each_row_once_within_the_budget(
    lengths: list[int], tokens: int
) -> None:
    batches = [b.tolist() for b in by_length(np.array(lengths, dtype=np.int64), tokens)]
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    in_order = [lengths[row] for row in rows]
    assert in_order == sorted(in_order, reverse=True)
    for batch in batches:
        assert (
            len(batch) == 1
            or len(batch) * max(lengths[r] for r in batch) <= tokens
            or max(lengths[r] for r in batch) == 0
        )


def test_a_history_is_its_items_codes_in_a_row() -> None:
    layout = make_bundle(scratch(), some_codes()).layout
    asked = Histories(
        np.array([0, 1, 2], np.int32), np.array([3, 1, 7], np.int32), np.array([0, 2, 2, 3])
    )
    found = [tokens.tolist() for tokens in layout.histories(asked)]
    token = layout.items.tolist()
    assert found == [token[3] + token[1], [], token[7]]
    none = Histories(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(1, np.int64))
    assert layout.histories(none) == []


@pytest.mark.parametrize("chat", [True, False])
def test_a_prompt_loses_its_beginning_and_an_answer_ends_with_the_end_token(chat: bool) -> None:
    tokenizer = make_bundle(scratch()).tokenizer
    if not chat:
        tokenizer.chat_template = None
    example = Example("What next after <a_1><b_2>?", "<a_3><b_4>", "t", "t.v1", system="Be brief.")
    whole = fit_prompt(tokenizer, example, 500).ids
    text = tokenizer.decode(whole)
    if chat:
        assert text == "system: Be brief.\nuser: What next after <a_1><b_2>?\nassistant: "
    else:
        assert text == "Be brief.\nWhat next after <a_1><b_2>?\n"
    assert fit_prompt(tokenizer, example, 10).ids.tolist() == whole[-10:].tolist()
    answer = encode_target(tokenizer, example)
    assert tokenizer.decode(answer) == "<a_3><b_4><|end|>"
    assert answer[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id
