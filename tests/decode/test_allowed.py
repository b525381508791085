"""Allowed items of requests, against Python sets."""

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
    """The allowed items of request b, by sets."""
    items = set(range(n_items))
    if allowed.candidates is not None:
        items &= set(np.flatnonzero(allowed.candidates).tolist())
    if allowed.allow is not None:
        items &= set(allowed.allow.take(np.array([b])).items.tolist())
    if allowed.deny is not None:
        items -= set(allowed.deny.take(np.array([b])).items.tolist())
    return items


@given(
    code_set=code_sets(),
    seed=st.integers(0, 2**32),
    lists=st.sets(st.sampled_from(["candidates", "allow", "deny"])),
)
def test_a_node_is_open_if_its_subtree_has_an_allowed_item(
    code_set: tuple[np.ndarray, tuple[int, ...]], seed: int, lists: set[str]
) -> None:
    codes, sizes = code_set
    trie, rng, n_items = Trie.build(codes, sizes), np.random.default_rng(seed), len(codes)
    allowed = Allowed(
        candidates=rng.random(n_items) < rng.random() if "candidates" in lists else None,
        allow=lists_of(rng, 3, n_items) if "allow" in lists else None,
        deny=lists_of(rng, 3, n_items) if "deny" in lists else None,
    )
    wanted = [plain(allowed, b, n_items) for b in range(3)]
    assert allowed.counts(3, n_items).tolist() == [len(items) for items in wanted]
    mask = allowed.mask(3, n_items)
    assert [set(np.flatnonzero(row).tolist()) for row in mask] == wanted
    opened = OpenNodes(trie, allowed)
    for depth, borders in enumerate(trie.leaf_starts):
        nodes = torch.arange(len(borders) - 1).expand(3, -1)
        is_open = opened(depth, nodes)
        for b, node in zip(*np.nonzero(np.ones(nodes.shape)), strict=True):
            subtree = trie.leaf_item[borders[node] : borders[node + 1]].tolist()
            assert bool(is_open[b, node]) == bool(wanted[b] & set(subtree))


@given(seed=st.integers(0, 2**32))
def test_the_intersection_allows_items_that_both_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = Allowed(candidates=rng.random(12) < 0.7, deny=lists_of(rng, 3, 12))
    two = Allowed(
        candidates=rng.random(12) < 0.7, allow=lists_of(rng, 3, 12), deny=lists_of(rng, 3, 12)
    )
    both = one & two
    for b in range(3):
        assert plain(both, b, 12) == plain(one, b, 12) & plain(two, b, 12)


def test_lists_from_tables_and_selection_of_lists() -> None:
    lists = ItemLists.from_table(np.array([[3, -1, 1], [-1, -1, -1], [2, 2, 0]]))
    assert lists.items.tolist() == [3, 1, 2, 2, 0]
    assert lists.owners.tolist() == [0, 0, 2, 2, 2]
    taken = lists.take(np.array([2, 1, 2]))
    assert (taken.items.tolist(), taken.offsets.tolist()) == ([2, 2, 0, 2, 2, 0], [0, 3, 3, 6])
