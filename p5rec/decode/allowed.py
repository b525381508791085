"""Which items each request may be given, asked of any node of the tree without rebuilding it.

B requests, N items, M nodes. What all requests share (stock, a category) is one mask over the
items; what is a request's own (seen items, an allow-list, a deny-list) is a list of items. A node
is open where an allowed leaf lies below it; since those leaves are neighbours, that is a count
between two borders, and a search down the tree asks it of the nodes it looks at alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from p5rec.core.types import Histories, runs

from .trie import Trie


@dataclass(frozen=True, eq=False)
class ItemLists:
    """B lists of item rows, one after another.

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
        """B lists as one."""
        arrays = [np.asarray(items, dtype=np.int64) for items in lists]
        items = np.concatenate([np.empty(0, dtype=np.int64), *arrays])
        return cls(items, np.append(0, np.cumsum([len(array) for array in arrays])).astype(int))

    @classmethod
    def from_table(cls, table: np.ndarray) -> ItemLists:
        """The rows of ``(B, M)``; what is negative is left out."""
        there = table >= 0
        return cls(table[there].astype(np.int64), np.append(0, np.cumsum(there.sum(1))))

    @classmethod
    def seen(cls, histories: Histories) -> ItemLists:
        """The items of the target events in B histories."""
        own = histories.of_targets()
        return cls(own.items.astype(np.int64), own.offsets)

    @property
    def owners(self) -> np.ndarray:
        """``(S,)``: the list that each entry belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def take(self, rows: np.ndarray) -> ItemLists:
        """The lists ``rows``, in that order."""
        source, offsets = runs(self.offsets[:-1][rows], np.diff(self.offsets)[rows])
        return ItemLists(self.items[source], offsets)

    def kept(self, which: np.ndarray) -> ItemLists:
        """The entries that ``which (S,)`` bool says, each once in its list, in ascending order."""
        owners, items = self.owners[which], self.items[which]
        pairs = np.unique(np.stack([owners, items], axis=1), axis=0)
        counts = np.bincount(pairs[:, 0], minlength=len(self))
        return ItemLists(pairs[:, 1], np.append(0, np.cumsum(counts)))


@dataclass(frozen=True, eq=False)
class Allowed:
    """What B requests may be given; a part that is None forbids nothing.

    Attributes:
        within: ``(N,)`` bool, the items that any request may be given.
        only: the items that each request may be given, and no others.
        never: the items that each request must not be given.
    """

    within: np.ndarray | None = None
    only: ItemLists | None = None
    never: ItemLists | None = None

    def take(self, rows: np.ndarray) -> Allowed:
        """The same for the requests ``rows``."""
        return replace(
            self,
            only=None if self.only is None else self.only.take(rows),
            never=None if self.never is None else self.never.take(rows),
        )

    def __and__(self, other: Allowed) -> Allowed:
        """What both allow."""
        never = [lists for lists in (self.never, other.never) if lists is not None]
        if self.only is not None and other.only is not None:
            raise ValueError("expected an allow-list on one side only")
        within = [mask for mask in (self.within, other.within) if mask is not None]
        return Allowed(
            within=np.logical_and.reduce(within) if within else None,
            only=self.only if other.only is None else other.only,
            never=reduce(_joined, never) if never else None,
        )

    def reduced(self) -> Allowed:
        """The same, told in the fewest items: ``only`` or ``never`` alone, each item once."""
        if self.only is not None:
            keep = np.ones(len(self.only.items), dtype=bool)
            if self.within is not None:
                keep &= self.within[self.only.items]
            if self.never is not None:
                keep &= ~_contained(self.only, self.never)
            return Allowed(only=self.only.kept(keep))
        if self.never is None:
            return self
        keep = np.ones(len(self.never.items), dtype=bool)
        if self.within is not None:
            keep &= self.within[self.never.items]
        return Allowed(within=self.within, never=self.never.kept(keep))

    def mask(self, requests: int, n_items: int) -> np.ndarray:
        """``(B, N)`` bool: the same, told of every item."""
        told = self.reduced()
        if told.only is not None:
            out = np.zeros((requests, n_items), dtype=bool)
            out[told.only.owners, told.only.items] = True
            return out
        out = np.ones((requests, n_items), dtype=bool)
        if told.within is not None:
            out &= told.within
        if told.never is not None:
            out[told.never.owners, told.never.items] = False
        return out

    def counts(self, requests: int, n_items: int) -> np.ndarray:
        """``(B,)``: how many of ``n_items`` items each request may be given."""
        told = self.reduced()
        if told.only is not None:
            return np.diff(told.only.offsets)
        free = n_items if told.within is None else int(told.within.sum())
        return np.full(requests, free) - (0 if told.never is None else np.diff(told.never.offsets))


class OpenNodes:
    """:class:`Allowed` for one batch, as a search down ``trie`` asks it.

    Args:
        trie: on the device of the search.
        allowed: of the batch's requests.
    """

    def __init__(self, trie: Trie, allowed: Allowed) -> None:
        told = allowed.reduced()
        self.trie, device = trie, trie.leaf_item.device
        self.free = None
        if told.only is None and told.within is not None:
            within = torch.from_numpy(told.within).to(device)[trie.leaf_item]
            self.free = torch.nn.functional.pad(within.cumsum(0), (1, 0))
        self.only = None if told.only is None else self._leaves(told.only)
        self.never = None if told.never is None else self._leaves(told.never)

    def __call__(self, level: int, nodes: Tensor) -> Tensor:
        """``(B, M)`` bool: whether nodes ``(B, M)`` at depth ``level`` lead to an allowed item."""
        borders = self.trie.leaf_starts[level]
        first, last = borders[nodes], borders[nodes + 1]
        if self.only is not None:
            return self._between(self.only, first, last) > 0
        count = last - first if self.free is None else self.free[last] - self.free[first]
        if self.never is not None:
            count = count - self._between(self.never, first, last)
        return count > 0

    @staticmethod
    def _between(leaves: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """How many of ``leaves (B, S)``, ascending, lie between two borders each ``(B, M)``."""
        return torch.searchsorted(leaves, last) - torch.searchsorted(leaves, first)

    def _leaves(self, lists: ItemLists) -> Tensor:
        """``(B, S)`` leaf numbers, ascending; what fills a row lies beyond the last leaf."""
        lengths = np.diff(lists.offsets)
        out = np.full((len(lists), max(1, int(lengths.max(initial=0)))), len(self.trie))
        own = np.arange(len(lists.items)) - np.repeat(lists.offsets[:-1], lengths)
        out[lists.owners, own] = lists.items
        items = torch.from_numpy(out).to(self.trie.leaf_item.device)
        beyond = self.trie.item_leaf.new_tensor([len(self.trie)])
        return torch.cat([self.trie.item_leaf, beyond])[items].sort(1).values


def _joined(one: ItemLists, two: ItemLists) -> ItemLists:
    owners = np.concatenate([one.owners, two.owners])
    order = np.argsort(owners, kind="stable")
    items = np.concatenate([one.items, two.items])[order]
    return ItemLists(items, one.offsets + two.offsets)


def _contained(entries: ItemLists, lists: ItemLists) -> np.ndarray:
    """``(S,)`` bool: whether each entry is in the list of the same request."""
    base = 1 + max(entries.items.max(initial=0), lists.items.max(initial=0))
    return np.isin(entries.owners * base + entries.items, lists.owners * base + lists.items)
