"""Items as token sequences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from p5rec.core.errors import UserError
from p5rec.decode.token_sequences import TokenSequences

ROWS = np.array([[7, 5, 9], [7, 5, 8], [4, 9, -1], [4, 7, 7], [9, -1, -1]])


def test_sequences_of_any_length_become_a_tree() -> None:
    sequences = TokenSequences.build(ROWS)
    assert [t.tolist() for t in sequences.tokens] == [[4, 7, 9], [-1, 5, 7, 9], [-1, 7, 8, 9]]
    nodes, known = sequences.walk(torch.from_numpy(ROWS))
    assert known.all()
    assert sequences.trie.leaf_item[nodes].tolist() == [0, 1, 2, 3, 4]


def test_tokens_that_are_no_prefix_of_an_item_are_unknown() -> None:
    sequences = TokenSequences.build(ROWS)
    tokens = torch.tensor([[7, 5], [7, 9], [5, 5], [9, -1], [9, 7], [1000, 5], [-1, 5]])
    assert sequences.walk(tokens)[1].tolist() == [
        True, False, False, True, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize("normalisation", ["vocab", "level", "items"])
def test_normalisation(normalisation: str) -> None:
    sequences = TokenSequences.build(ROWS)
    logits = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    nodes, _ = sequences.walk(torch.tensor([[4], [7], [9]]))
    logs = sequences.log_probs(1, nodes, logits, normalisation)
    full = logits.log_softmax(-1)
    shared_by = {"vocab": list(range(12)), "level": [5, 7, 9]}
    for row, (following, other) in enumerate([([7, 9], 5), ([5], 7)]):
        share = shared_by.get(normalisation, following)
        total = full[row, share].logsumexp(0)
        for token in following:
            code = sequences.tokens[1].tolist().index(token)
            assert float(logs[row, code]) == pytest.approx(
                float(full[row, token] - total), abs=1e-5
            )
        assert other not in following
    assert float(logs[2, 0]) == 0  # the code of an ended sequence costs nothing


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [1, -1]], "row 1 as a prefix of row 0"),
        ([[1, 2], [1, 2]], "both item rows 0 and 1"),
        ([[-1, -1]], "an empty or a broken row"),
        ([[1, -1, 2]], "an empty or a broken row"),
    ],
)
def test_ambiguous_sequences_are_errors(rows: list[list[int]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TokenSequences.build(np.array(rows))
