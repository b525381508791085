"""The sunburst layout of the code tree: angles, and folded nodes."""

from __future__ import annotations

import numpy as np
import pytest
from code_trees import codes_of, sampled

from p5rec.ids.prefixes import prefix_groups
from p5rec.ids.wedges import Wedges, wedges


@pytest.mark.parametrize("cap", [4_000, 200, 40, 12])
def test_children_fill_their_parent_and_the_first_ring_the_circle(cap: int) -> None:
    codes = sampled()
    layout = wedges(codes, cap=cap)
    assert len(layout) <= cap
    _fills(layout, -1, 0, len(codes))
    for wedge in range(len(layout)):
        if (layout.parent == wedge).any():
            assert layout.code[wedge] >= 0
            _fills(layout, wedge, int(layout.first[wedge]), int(layout.items[wedge]))
    np.testing.assert_array_equal(np.sort(layout.order), np.arange(len(codes)))


def _fills(layout: Wedges, parent: int, first: int, items: int) -> None:
    inside = np.flatnonzero(layout.parent == parent)
    ends = layout.first[inside] + layout.items[inside]
    np.testing.assert_array_equal(layout.first[inside], np.r_[first, ends[:-1]])
    assert ends[-1] == first + items
    unfolded = layout.code[inside][layout.code[inside] >= 0]
    assert (np.diff(unfolded) > 0).all()
    assert (
        layout.code[inside][len(unfolded) :] == -1
    ).all()  # at most one folded wedge, at the end
    assert len(inside) - len(unfolded) <= 1


@pytest.mark.parametrize("cap", [4_000, 200, 40])
def test_a_wedge_holds_the_items_of_its_prefix(cap: int) -> None:
    codes = sampled()
    layout = wedges(codes, cap=cap)
    for wedge in range(len(layout)):
        path, up = [], wedge
        while up >= 0:
            path, up = [int(layout.code[up]), *path], int(layout.parent[up])
        known = path[:-1] if path[-1] < 0 else path
        rows = layout.order[layout.first[wedge] : layout.first[wedge] + layout.items[wedge]]
        assert (codes.codes[rows, : len(known)] == known).all()
        if path[-1] >= 0:
            assert len(rows) == (codes.codes[:, : len(path)] == path).all(axis=1).sum()
            assert layout.node[wedge] == prefix_groups(codes.codes, len(path))[rows[0]]


def test_folding_leaves_the_largest_and_counts_the_rest() -> None:
    codes = sampled(sizes=(40, 30, 5))
    sizes = np.bincount(codes.codes[:, 0], minlength=40)
    layout = wedges(codes, cap=10)
    assert layout.rings == 1
    assert layout.code.tolist()[-1] == -1
    assert (layout.nodes[-1], layout.items[-1]) == (
        (sizes > 0).sum() - 9,
        np.sort(sizes)[:-9].sum(),
    )
    assert sizes[layout.code[:-1]].min() >= np.sort(sizes)[-9]


def test_nodes_of_one_size_are_folded_in_turn() -> None:
    codes = codes_of([[a, b, c] for a in range(3) for b in range(4) for c in range(5 + b)])
    layout = wedges(codes, cap=3 + 12 + 30)
    leaves = layout.ring == 2
    unfolded = np.bincount(layout.parent[leaves & (layout.code >= 0)], minlength=len(layout))[3:15]
    assert unfolded.min() >= 1
    assert unfolded.max() - unfolded.min() <= 1
    assert layout.items[leaves].sum() == len(codes)


def test_the_largest_child_of_every_parent_is_unfolded() -> None:
    large = [[0, b, c] for b in range(10) for c in range(5)]
    codes = codes_of(large + [[1, b, 0] for b in range(9)] + [[1, 9, c] for c in range(2)])
    layout = wedges(codes, cap=2 + 8)
    assert layout.code[layout.parent == 0].tolist() == [0, 1, 2, 3, 4, -1]
    assert layout.code[layout.parent == 1].tolist() == [9, -1]


def test_no_node_is_folded_alone() -> None:
    layout = wedges(codes_of([[0, b] for b in range(3)] + [[1, b] for b in range(8)]), cap=2 + 6)
    assert layout.code[layout.parent == 0].tolist() == [0, 1, 2]
    assert layout.nodes[layout.parent == 1].tolist() == [1, 1, 6]


def test_examples_are_of_the_wedge() -> None:
    layout = wedges(sampled(), cap=4_000)
    for wedge, rows in enumerate(layout.examples(5)):
        own = layout.order[layout.first[wedge] : layout.first[wedge] + layout.items[wedge]]
        assert len(rows) == len(set(rows.tolist())) == min(5, len(own))
        assert set(rows.tolist()) <= set(own.tolist())
