"""What requests may be given, against plain sets."""

from __future__ import annotations

import numpy as np
import torch
from code_sets import code_sets
from hypothesis import given
from hypothesis import strategies as st

from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.trie import Trie


def lists_of(rng: np.random.Generator, requests: int, n_items: int) -> ItemLists:
    """Lists of any length, in any order, with repeats."""
    return ItemLists.joined(
        [rng.integers(0, n_items, int(rng.integers(0, 9))) for _ in range(requests)]
    )


def plain(allowed: Allowed, b: int, n_items: int) -> set[int]:
    """The items that request b may be given, by sets."""
    kept = set(range(n_items))
    if allowed.within is not None:
        kept &= set(np.flatnonzero(allowed.within).tolist())
    if allowed.only is not None:
        kept &= set(allowed.only.take(np.array([b])).items.tolist())
    if allowed.never is not None:
        kept -= set(allowed.never.take(np.array([b])).items.tolist())
    return kept


@given(drawn=code_sets(), seed=st.integers(0, 2**32), parts=st.sets(st.sampled_from("won")))
def test_a_node_is_open_where_an_allowed_item_lies_below(
    drawn: tuple[np.ndarray, tuple[int, ...]], seed: int, parts: set[str]
) -> None:
    codes, sizes = drawn
    trie, rng, n_items = Trie.build(codes, sizes), np.random.default_rng(seed), len(codes)
    allowed = Allowed(
        within=rng.random(n_items) < rng.random() if "w" in parts else None,
        only=lists_of(rng, 3, n_items) if "o" in parts else None,
        never=lists_of(rng, 3, n_items) if "n" in parts else None,
    )
    wanted = [plain(allowed, b, n_items) for b in range(3)]
    assert allowed.counts(3, n_items).tolist() == [len(items) for items in wanted]
    mask = allowed.mask(3, n_items)
    assert [set(np.flatnonzero(row).tolist()) for row in mask] == wanted
    opened = OpenNodes(trie, allowed)
    for depth, borders in enumerate(trie.leaf_starts):
        nodes = torch.arange(len(borders) - 1).expand(3, -1)
        found = opened(depth, nodes)
        for b, node in zip(*np.nonzero(np.ones(nodes.shape)), strict=True):
            below = trie.leaf_item[borders[node] : borders[node + 1]].tolist()
            assert bool(found[b, node]) == bool(wanted[b] & set(below))


@given(seed=st.integers(0, 2**32))
def test_both_together_allow_what_each_allows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = Allowed(within=rng.random(12) < 0.7, never=lists_of(rng, 3, 12))
    two = Allowed(
        within=rng.random(12) < 0.7, only=lists_of(rng, 3, 12), never=lists_of(rng, 3, 12)
    )
    both = one & two
    for b in range(3):
        assert plain(both, b, 12) == plain(one, b, 12) & plain(two, b, 12)


def test_lists_come_out_of_tables_and_can_be_taken_apart() -> None:
    lists = ItemLists.from_table(np.array([[3, -1, 1], [-1, -1, -1], [2, 2, 0]]))
    assert lists.items.tolist() == [3, 1, 2, 2, 0]
    assert lists.owners.tolist() == [0, 0, 2, 2, 2]
    taken = lists.take(np.array([2, 1, 2]))
    assert (taken.items.tolist(), taken.offsets.tolist()) == ([2, 2, 0, 2, 2, 0], [0, 3, 3, 6])
