"""The code tree around a circle: what fills what, and what is folded."""

from __future__ import annotations

import numpy as np
import pytest
from code_trees import codes_of, drawn

from p5rec.ids.prefixes import prefix_groups
from p5rec.ids.wedges import Wedges, wedges


@pytest.mark.parametrize("cap", [4_000, 200, 40, 12])
def test_children_fill_their_parent_and_the_first_ring_the_circle(cap: int) -> None:
    codes = drawn()
    laid = wedges(codes, cap=cap)
    assert len(laid) <= cap
    _fills(laid, -1, 0, len(codes))
    for wedge in range(len(laid)):
        if (laid.parent == wedge).any():
            assert laid.code[wedge] >= 0
            _fills(laid, wedge, int(laid.first[wedge]), int(laid.items[wedge]))
    np.testing.assert_array_equal(np.sort(laid.order), np.arange(len(codes)))


def _fills(laid: Wedges, parent: int, first: int, items: int) -> None:
    inside = np.flatnonzero(laid.parent == parent)
    ends = laid.first[inside] + laid.items[inside]
    np.testing.assert_array_equal(laid.first[inside], np.r_[first, ends[:-1]])
    assert ends[-1] == first + items
    shown = laid.code[inside][laid.code[inside] >= 0]
    assert (np.diff(shown) > 0).all()
    assert (laid.code[inside][len(shown) :] == -1).all()  # folded ones last, and one at most
    assert len(inside) - len(shown) <= 1


@pytest.mark.parametrize("cap", [4_000, 200, 40])
def test_a_wedge_holds_the_items_of_its_prefix(cap: int) -> None:
    codes = drawn()
    laid = wedges(codes, cap=cap)
    for wedge in range(len(laid)):
        path, up = [], wedge
        while up >= 0:
            path, up = [int(laid.code[up]), *path], int(laid.parent[up])
        known = path[:-1] if path[-1] < 0 else path
        rows = laid.order[laid.first[wedge] : laid.first[wedge] + laid.items[wedge]]
        assert (codes.codes[rows, : len(known)] == known).all()
        if path[-1] >= 0:
            assert len(rows) == (codes.codes[:, : len(path)] == path).all(axis=1).sum()
            assert laid.node[wedge] == prefix_groups(codes.codes, len(path))[rows[0]]


def test_folding_keeps_the_largest_and_counts_the_rest() -> None:
    codes = drawn(sizes=(40, 30, 5))
    sizes = np.bincount(codes.codes[:, 0], minlength=40)
    laid = wedges(codes, cap=10)
    assert laid.rings == 1
    assert laid.code.tolist()[-1] == -1
    assert (laid.nodes[-1], laid.items[-1]) == ((sizes > 0).sum() - 9, np.sort(sizes)[:-9].sum())
    assert sizes[laid.code[:-1]].min() >= np.sort(sizes)[-9]


def test_nodes_of_one_size_are_folded_in_turn() -> None:
    codes = codes_of([[a, b, c] for a in range(3) for b in range(4) for c in range(5 + b)])
    laid = wedges(codes, cap=3 + 12 + 30)
    leaves = laid.ring == 2
    shown = np.bincount(laid.parent[leaves & (laid.code >= 0)], minlength=len(laid))[3:15]
    assert shown.min() >= 1
    assert shown.max() - shown.min() <= 1
    assert laid.items[leaves].sum() == len(codes)


def test_every_parent_keeps_its_largest_child() -> None:
    large = [[0, b, c] for b in range(10) for c in range(5)]
    codes = codes_of(large + [[1, b, 0] for b in range(9)] + [[1, 9, c] for c in range(2)])
    laid = wedges(codes, cap=2 + 8)
    assert laid.code[laid.parent == 0].tolist() == [0, 1, 2, 3, 4, -1]
    assert laid.code[laid.parent == 1].tolist() == [9, -1]


def test_no_node_is_folded_alone() -> None:
    laid = wedges(codes_of([[0, b] for b in range(3)] + [[1, b] for b in range(8)]), cap=2 + 6)
    assert laid.code[laid.parent == 0].tolist() == [0, 1, 2]
    assert laid.nodes[laid.parent == 1].tolist() == [1, 1, 6]


def test_examples_are_of_the_wedge() -> None:
    laid = wedges(drawn(), cap=4_000)
    for wedge, rows in enumerate(laid.examples(5)):
        mine = laid.order[laid.first[wedge] : laid.first[wedge] + laid.items[wedge]]
        assert len(rows) == len(set(rows.tolist())) == min(5, len(mine))
        assert set(rows.tolist()) <= set(mine.tolist())
