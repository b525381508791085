"""The item tree: every item once, labels that differ, and the levels in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.data.item_tree import ItemTree, TreeConfig, TreeItems, grow

pytestmark = pytest.mark.system("unillmrec")


@st.composite
def catalogues(draw: st.DrawFn) -> TreeItems:
    """Up to 40 items with codes of three levels, some with equal titles or without a value."""
    rows = st.tuples(*(st.integers(0, 6) for _ in range(3)))
    codes = draw(st.lists(rows, min_size=1, max_size=40, unique=True))
    n = len(codes)
    titles = draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n))
    some = st.lists(st.sampled_from(["x", "y", "z", "other"]), max_size=3).map(tuple)
    values = draw(st.one_of(st.just([]), st.lists(some, min_size=n, max_size=n)))
    counts = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return TreeItems(titles, values, np.array(codes), np.array(counts))


def leaves(tree: ItemTree, node: int = 0) -> list[int]:
    """The items below a node, in the order of its edges."""
    found = []
    for child in tree.children[tree.edges(node)].tolist():
        found += [~child] if child < 0 else leaves(tree, child)
    return found


@given(catalogues(), st.integers(2, 6))
def test_every_item_is_reached_exactly_once(items: TreeItems, width: int):
    tree = grow(items, TreeConfig(attribute="kind" if items.values else None, width=width))
    assert sorted(leaves(tree)) == list(range(len(items.titles)))
    assert len(tree.children) == len(tree) - 1 + len(items.titles)
    assert tree.order.tolist() == leaves(tree)
    for node in range(len(tree)):
        edges = tree.edges(node)
        labels = tree.labels[edges]
        assert len({*labels}) == len(labels) <= width
        for edge in range(edges.start, edges.stop):
            child = int(tree.children[edge])
            begin, end = tree.spans[edge]
            below = [~child] if child < 0 else leaves(tree, child)
            assert tree.order[begin:end].tolist() == below


@given(catalogues())
def test_a_path_leads_from_the_root_to_its_item(items: TreeItems):
    tree = grow(items, TreeConfig(width=3))
    for item in range(len(items.titles)):
        node = 0
        for at, edge in tree.path(item):
            assert at == node
            assert edge in range(*tree.edges(node).indices(len(tree.children)))
            node = int(tree.children[edge])
        assert node == ~item


def test_the_levels_are_an_attribute_and_then_codes():
    values = [("x",)] * 3 + [("x", "y")] * 2 + [()]
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [3, 0]])
    items = TreeItems([*"abcdef"], values, codes, np.array([1, 5, 0, 0, 2, 0]))
    tree = grow(items, TreeConfig(attribute="kind", width=2))
    # x has more items than width, so y, the value of fewer items, joins the item without a value
    assert tree.labels[tree.edges(0)] == ["x", "other"]
    below_x = int(tree.children[0])
    assert tree.labels[tree.edges(below_x)] == ["b; a", "c"]  # the codes 0 and 1, best-known first


def test_a_tree_does_not_depend_on_the_order_of_the_items():
    rng = np.random.default_rng(0)
    codes = np.stack([*np.ndindex(4, 3, 3)])
    n = len(codes)
    items = TreeItems([f"t{i}" for i in range(n)], [("x", "y")[i % 2] for i in range(n)], codes,
                      rng.integers(0, 5, n))  # fmt: skip
    order = rng.permutation(n)
    moved = replace(
        items,
        titles=[items.titles[i] for i in order],
        values=[items.values[i] for i in order],
        codes=codes[order],
        counts=items.counts[order],
    )
    config = TreeConfig(attribute="kind", width=5)
    one, other = grow(items, config), grow(moved, config)
    assert one.labels == other.labels
    assert one.starts.tolist() == other.starts.tolist()
