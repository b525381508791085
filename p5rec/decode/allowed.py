"""Allowed items of each request, looked up for any node of the item tree.

B requests, N items, M nodes. Restrictions shared by all requests (candidates) are one mask over the
items. Restrictions of one request (seen items, an allow list, a deny list) are lists of items. A
node is open if its subtree has an allowed leaf. The leaves of a subtree are contiguous, so this is
a count between two borders, computed for visited nodes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from p5rec.core.types import Histories, ranges

from .trie import Trie


@dataclass(frozen=True, eq=False)
class ItemLists:
    """B lists of item row numbers, concatenated.

    Attributes:
        items: ``(S,)`` int64.
        offsets: ``(B + 1,)`` int64: list b is ``items[offsets[b]:offsets[b + 1]]``.
    """

    items: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def joined(cls, lists: Sequence[Sequence[int] | np.ndarray]) -> ItemLists:
        """Concatenates B lists."""
        arrays = [np.asarray(items, dtype=np.int64) for items in lists]
        items = np.concatenate([np.empty(0, dtype=np.int64), *arrays])
        return cls(items, np.append(0, np.cumsum([len(array) for array in arrays])).astype(int))

    @classmethod
    def from_table(cls, table: np.ndarray) -> ItemLists:
        """The rows of ``(B, M)``, without negative entries."""
        valid = table >= 0
        return cls(table[valid].astype(np.int64), np.append(0, np.cumsum(valid.sum(1))))

    @classmethod
    def seen(cls, histories: Histories) -> ItemLists:
        """The items of the target events in B histories."""
        own = histories.of_targets()
        return cls(own.items.astype(np.int64), own.offsets)

    @property
    def owners(self) -> np.ndarray:
        """``(S,)``: the list of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def take(self, rows: np.ndarray) -> ItemLists:
        """The lists ``rows``, in that order."""
        source, offsets = ranges(self.offsets[:-1][rows], np.diff(self.offsets)[rows])
        return ItemLists(self.items[source], offsets)

    def filtered(self, mask: np.ndarray) -> ItemLists:
        """The entries selected by ``mask (S,)`` bool, unique and ascending within each list."""
        owners, items = self.owners[mask], self.items[mask]
        pairs = np.unique(np.stack([owners, items], axis=1), axis=0)
        counts = np.bincount(pairs[:, 0], minlength=len(self))
        return ItemLists(pairs[:, 1], np.append(0, np.cumsum(counts)))


@dataclass(frozen=True, eq=False)
class Allowed:
    """The allowed items of B requests; None means no restriction.

    Attributes:
        candidates: ``(N,)`` bool: the candidate items of all requests.
        allow: per request, the only items it may be given.
        deny: per request, items it must not be given.
    """

    candidates: np.ndarray | None = None
    allow: ItemLists | None = None
    deny: ItemLists | None = None

    def take(self, rows: np.ndarray) -> Allowed:
        """The allowed items of the requests ``rows``."""
        return replace(
            self,
            allow=None if self.allow is None else self.allow.take(rows),
            deny=None if self.deny is None else self.deny.take(rows),
        )

    def __and__(self, other: Allowed) -> Allowed:
        """The intersection of both."""
        deny = [lists for lists in (self.deny, other.deny) if lists is not None]
        if self.allow is not None and other.allow is not None:
            raise ValueError("expected an allow list on one side, got two")
        candidates = [mask for mask in (self.candidates, other.candidates) if mask is not None]
        return Allowed(
            candidates=np.logical_and.reduce(candidates) if candidates else None,
            allow=self.allow if other.allow is None else other.allow,
            deny=reduce(_joined, deny) if deny else None,
        )

    def reduced(self) -> Allowed:
        """The same items with ``allow`` or ``deny`` alone, each entry once."""
        if self.allow is not None:
            mask = np.ones(len(self.allow.items), dtype=bool)
            if self.candidates is not None:
                mask &= self.candidates[self.allow.items]
            if self.deny is not None:
                mask &= ~_contained(self.allow, self.deny)
            return Allowed(allow=self.allow.filtered(mask))
        if self.deny is None:
            return self
        mask = np.ones(len(self.deny.items), dtype=bool)
        if self.candidates is not None:
            mask &= self.candidates[self.deny.items]
        return Allowed(candidates=self.candidates, deny=self.deny.filtered(mask))

    def mask(self, requests: int, n_items: int) -> np.ndarray:
        """``(B, N)`` bool: whether each item is allowed."""
        reduced = self.reduced()
        if reduced.allow is not None:
            out = np.zeros((requests, n_items), dtype=bool)
            out[reduced.allow.owners, reduced.allow.items] = True
            return out
        out = np.ones((requests, n_items), dtype=bool)
        if reduced.candidates is not None:
            out &= reduced.candidates
        if reduced.deny is not None:
            out[reduced.deny.owners, reduced.deny.items] = False
        return out

    def counts(self, requests: int, n_items: int) -> np.ndarray:
        """``(B,)``: the number of allowed items among ``n_items``."""
        reduced = self.reduced()
        if reduced.allow is not None:
            return np.diff(reduced.allow.offsets)
        free = n_items if reduced.candidates is None else int(reduced.candidates.sum())
        return np.full(requests, free) - (
            0 if reduced.deny is None else np.diff(reduced.deny.offsets)
        )


class OpenLeaves:
    """Counts the allowed leaves of a tree under the :class:`Allowed` of one batch.

    Args:
        leaf_item: ``(N,)`` int64, the item of each leaf, on the device of the search.
        allowed: the allowed items of the requests in the batch.
    """

    def __init__(self, leaf_item: Tensor, allowed: Allowed) -> None:
        reduced, self.leaf_item = allowed.reduced(), leaf_item
        self.free = None
        if reduced.allow is None and reduced.candidates is not None:
            candidates = torch.from_numpy(reduced.candidates).to(leaf_item.device)[leaf_item]
            self.free = torch.nn.functional.pad(candidates.cumsum(0), (1, 0))
        self.allow = None if reduced.allow is None else self._leaves(reduced.allow)
        self.deny = None if reduced.deny is None else self._leaves(reduced.deny)

    def between(self, first: Tensor, last: Tensor) -> Tensor:
        """``(B, M)`` int64: the number of allowed leaves between two borders, each ``(B, M)``."""
        if self.allow is not None:
            return _between(self.allow, first, last)
        count = last - first if self.free is None else self.free[last] - self.free[first]
        return count if self.deny is None else count - _between(self.deny, first, last)

    def _leaves(self, lists: ItemLists) -> Tensor:
        """``(B, S)`` leaf numbers, ascending; padding is the number of leaves."""
        n_items, lengths = len(self.leaf_item), np.diff(lists.offsets)
        out = np.full((len(lists), max(1, int(lengths.max(initial=0)))), n_items)
        own = np.arange(len(lists.items)) - np.repeat(lists.offsets[:-1], lengths)
        out[lists.owners, own] = lists.items
        leaf = torch.arange(n_items, device=self.leaf_item.device)
        item_leaf = torch.empty_like(self.leaf_item).scatter_(0, self.leaf_item, leaf)
        items = torch.from_numpy(out).to(leaf.device)
        return torch.cat([item_leaf, leaf.new_tensor([n_items])])[items].sort(1).values


class OpenNodes:
    """The open nodes of ``trie`` under the :class:`Allowed` of one batch.

    Args:
        trie: the item tree, on the device of the search.
        allowed: the allowed items of the requests in the batch.
    """

    def __init__(self, trie: Trie, allowed: Allowed) -> None:
        self.trie, self.leaves = trie, OpenLeaves(trie.leaf_item, allowed)

    def __call__(self, level: int, nodes: Tensor) -> Tensor:
        """``(B, M)`` bool: whether nodes ``(B, M)`` at depth ``level`` have an allowed leaf."""
        borders = self.trie.leaf_starts[level]
        return self.leaves.between(borders[nodes], borders[nodes + 1]) > 0


def _between(leaves: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The number of ``leaves (B, S)``, ascending, between two borders each ``(B, M)``."""
    return torch.searchsorted(leaves, last) - torch.searchsorted(leaves, first)


def _joined(one: ItemLists, two: ItemLists) -> ItemLists:
    owners = np.concatenate([one.owners, two.owners])
    order = np.argsort(owners, kind="stable")
    items = np.concatenate([one.items, two.items])[order]
    return ItemLists(items, one.offsets + two.offsets)


def _contained(entries: ItemLists, lists: ItemLists) -> np.ndarray:
    """``(S,)`` bool: whether each entry is in the list of the same request."""
    base = 1 + max(entries.items.max(initial=0), lists.items.max(initial=0))
    return np.isin(entries.owners * base + entries.items, lists.owners * base + lists.items)
