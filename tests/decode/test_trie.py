"""The tree of item codes, against a direct computation on the rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from code_sets import code_sets, open_where
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.decode.trie import Trie


def test_a_small_tree_by_hand() -> None:
    codes = np.array([[1, 0], [0, 2], [1, 1], [0, 0], [1, 2]])
    trie = Trie.build(codes, (2, 3))
    assert [c.tolist() for c in trie.codes] == [[0, 1], [0, 2, 0, 1, 2]]
    assert [s.tolist() for s in trie.starts] == [[0, 2], [0, 2, 5]]
    assert [b.tolist() for b in trie.leaf_starts] == [[0, 5], [0, 2, 5], [0, 1, 2, 3, 4, 5]]
    assert trie.leaf_item.tolist() == [3, 1, 0, 2, 4]
    assert trie.fanout == (2, 3)
    assert (len(trie), trie.levels) == (5, 2)
    assert trie.paths(torch.arange(5)).tolist() == codes.tolist()
    assert trie.paths(torch.tensor([[3, 1]])).tolist() == [[[0, 0], [0, 2]]]


def by_prefix(codes: np.ndarray, depth: int) -> dict[tuple[int, ...], list[int]]:
    """Prefix → its rows, prefixes in order."""
    rows: dict[tuple[int, ...], list[int]] = {}
    for row, prefix in sorted(enumerate(map(tuple, codes[:, :depth].tolist())), key=lambda x: x[1]):
        rows.setdefault(prefix, []).append(row)
    return rows


@given(data=st.data())
def test_nodes_are_the_prefixes(data: st.DataObject) -> None:
    codes, sizes = data.draw(code_sets())
    trie = Trie.build(codes, sizes)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    alive = torch.from_numpy(rng.random((3, len(codes))) < rng.random())
    values = torch.from_numpy(rng.permutation(len(codes)))
    assert trie.paths(torch.arange(len(codes))).tolist() == codes.tolist()
    opened, least = open_where(alive, trie), trie.subtree_min(values)
    for depth in range(len(sizes) + 1):
        nodes = by_prefix(codes, depth)
        allowed = opened(depth, torch.arange(len(nodes)).expand(3, -1))
        borders = trie.leaf_starts[depth].tolist()
        for n, (prefix, rows) in enumerate(nodes.items()):
            assert sorted(trie.leaf_item[borders[n] : borders[n + 1]].tolist()) == sorted(rows)
            assert allowed[:, n].tolist() == alive[:, rows].any(dim=1).tolist()
            assert least[depth][n] == values[rows].min()
            if depth < len(sizes):
                children = trie.codes[depth][trie.starts[depth][n] : trie.starts[depth][n + 1]]
                expected = sorted({int(codes[row, depth]) for row in rows})
                assert children.tolist() == expected, prefix
                assert len(children) <= trie.fanout[depth]


@given(data=st.data())
def test_descent_and_normalisation_over_children(data: st.DataObject) -> None:
    """Items descend to their leaves, and the probabilities of siblings sum to 1."""
    codes, sizes = data.draw(code_sets())
    trie = Trie.build(codes, sizes)
    table = torch.from_numpy(codes).long()
    nodes = torch.zeros(len(codes), dtype=torch.int64)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    for level, size in enumerate(sizes):
        logits = torch.randn(len(codes), size, generator=generator)
        logs = trie.log_softmax(level, nodes, logits)
        for row, prefix in enumerate(codes[:, :level].tolist()):
            siblings = [c for c in codes.tolist() if c[:level] == prefix]
            children = sorted({c[level] for c in siblings})
            expected = logits[row, children].log_softmax(0)
            torch.testing.assert_close(logs[row, children], expected)
        nodes = trie.descend(level, nodes, table[:, level])
    assert trie.leaf_item[nodes].tolist() == list(range(len(codes)))


@given(data=st.data())
def test_the_order_of_rows_does_not_matter(data: st.DataObject) -> None:
    codes, sizes = data.draw(code_sets())
    order = np.array(data.draw(st.permutations(range(len(codes)))))
    one, two = Trie.build(codes, sizes), Trie.build(codes[order], sizes)
    for a, b in zip((*one.codes, *one.starts), (*two.codes, *two.starts), strict=True):
        assert torch.equal(a, b)
    np.testing.assert_array_equal(order[two.leaf_item.numpy()], one.leaf_item.numpy())


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 1], [1, 1], [0, 1]], r"\[0, 1\] for both item rows 0 and 2"),
        ([[0, 1], [1, 2]], r"below \[2, 2\], got \[1, 2\] for item row 1"),
        ([[0, 1], [0, -1]], r"got \[0, -1\] for item row 1; .* fewer codes"),
        ([[1, -1], [0, 1]], "for item row 0"),
        ([[0, 1, 0]], r"one item with 2 codes, got an array \(1, 3\)"),
        ([0, 1], r"got an array \(2,\)"),
    ],
)
def test_invalid_codes_are_errors(codes: list[list[int]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Trie.build(np.array(codes), (2, 2))


def test_no_items_is_an_error() -> None:
    with pytest.raises(UserError, match="at least one item"):
        Trie.build(np.zeros((0, 2), dtype=np.int32), (2, 2))


def test_moving_to_a_device_moves_all_tensors() -> None:
    moved = Trie.build(np.array([[0, 1], [1, 0]]), (2, 2)).to("meta")
    tensors = (*moved.starts, *moved.codes, *moved.leaf_starts, moved.leaf_item)
    assert {t.device.type for t in tensors} == {"meta"}
    assert moved.fanout == (2, 1)
