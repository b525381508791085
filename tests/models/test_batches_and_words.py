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

SEQUENCES = st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=6)


@given(sequences=SEQUENCES)
def test_padding_keeps_every_sequence(sequences: list[list[int]]) -> None:
    ids, mask = pad([np.array(sequence, dtype=np.int64) for sequence in sequences], 0)
    width = max(map(len, sequences))
    for b, sequence in enumerate(sequences):
        gap = [0] * (width - len(sequence))
        assert ids[b].tolist() == sequence + gap
        assert mask[b].tolist() == [1] * len(sequence) + gap


@given(
    lengths=st.lists(st.integers(0, 50), max_size=30),
    tokens=st.integers(1, 120),
)
def test_batches_by_length_have_each_sequence_once_within_the_budget(
    lengths: list[int], tokens: int
) -> None:
    batches = [b.tolist() for b in by_length(np.array(lengths, dtype=np.int64), tokens)]
    sequences = [sequence for batch in batches for sequence in batch]
    assert sorted(sequences) == list(range(len(lengths)))
    in_order = [lengths[sequence] for sequence in sequences]
    assert in_order == sorted(in_order, reverse=True)
    for batch in batches:
        assert (
            len(batch) == 1
            or len(batch) * max(lengths[r] for r in batch) <= tokens
            or max(lengths[r] for r in batch) == 0
        )


def test_a_history_is_the_concatenation_of_its_items_codes() -> None:
    layout = make_bundle(scratch(), some_codes()).layout
    requests = Histories(
        np.array([0, 1, 2], np.int32), np.array([3, 1, 7], np.int32), np.array([0, 2, 2, 3])
    )
    actual = [tokens.tolist() for tokens in layout.histories(requests)]
    token = layout.items.tolist()
    assert actual == [token[3] + token[1], [], token[7]]
    none = Histories(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(1, np.int64))
    assert layout.histories(none) == []


@pytest.mark.parametrize("chat", [True, False])
def test_a_prompt_is_cut_at_its_beginning_and_a_target_ends_with_the_end_token(chat: bool) -> None:
    tokenizer = make_bundle(scratch()).tokenizer
    if not chat:
        tokenizer.chat_template = None
    example = Example("What next after <a_1><b_2>?", "<a_3><b_4>", "t", "t.v1", system="Be brief.")
    full = fit_prompt(tokenizer, example, 500).ids
    text = tokenizer.decode(full)
    if chat:
        assert text == "system: Be brief.\nuser: What next after <a_1><b_2>?\nassistant: "
    else:
        assert text == "Be brief.\nWhat next after <a_1><b_2>?\n"
    assert fit_prompt(tokenizer, example, 10).ids.tolist() == full[-10:].tolist()
    target = encode_target(tokenizer, example)
    assert tokenizer.decode(target) == "<a_3><b_4><|end|>"
    assert target[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id
