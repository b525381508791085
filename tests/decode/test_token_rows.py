"""Items as rows of a model's tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from p5rec.core.errors import UserError
from p5rec.decode.token_rows import TokenRows

ROWS = np.array([[7, 5, 9], [7, 5, 8], [4, 9, -1], [4, 7, 7], [9, -1, -1]])


def test_rows_of_any_length_become_a_tree() -> None:
    rows = TokenRows.build(ROWS)
    assert [t.tolist() for t in rows.tokens] == [[4, 7, 9], [-1, 5, 7, 9], [-1, 7, 8, 9]]
    nodes, known = rows.walk(torch.from_numpy(ROWS))
    assert known.all()
    assert rows.trie.leaf_item[nodes].tolist() == [0, 1, 2, 3, 4]


def test_what_is_no_beginning_of_an_item_is_not_known() -> None:
    rows = TokenRows.build(ROWS)
    said = torch.tensor([[7, 5], [7, 9], [5, 5], [9, -1], [9, 7], [1000, 5], [-1, 5]])
    assert rows.walk(said)[1].tolist() == [
        True, False, False, True, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize("normalisation", ["vocab", "level", "items"])
def test_what_probabilities_share(normalisation: str) -> None:
    rows = TokenRows.build(ROWS)
    logits = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    nodes, _ = rows.walk(torch.tensor([[4], [7], [9]]))
    logs = rows.log_probs(1, nodes, logits, normalisation)
    full = logits.log_softmax(-1)
    among = {"vocab": list(range(12)), "level": [5, 7, 9]}
    for row, (may, other) in enumerate([([7, 9], 5), ([5], 7)]):
        share = among.get(normalisation, may)
        total = full[row, share].logsumexp(0)
        for token in may:
            code = rows.tokens[1].tolist().index(token)
            assert float(logs[row, code]) == pytest.approx(
                float(full[row, token] - total), abs=1e-5
            )
        assert other not in may
    assert float(logs[2, 0]) == 0  # an item that has ended goes on at no cost


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[1, 2], [1, -1]], "row 1 at the beginning of row 0"),
        ([[1, 2], [1, 2]], "both item rows 0 and 1"),
        ([[-1, -1]], "an empty or a broken row"),
        ([[1, -1, 2]], "an empty or a broken row"),
    ],
)
def test_rows_that_cannot_be_told_apart_are_refused(rows: list[list[int]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        TokenRows.build(np.array(rows))
