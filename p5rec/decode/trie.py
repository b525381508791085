"""The codes of all items as one tree in flat arrays.

Items are sorted by codes, so the leaves of any subtree are contiguous and a subtree is a range.
Levels are stored as compressed sparse rows, after Su et al., *Vectorizing the Trie* (2026, arXiv
2602.22647).

N items, L levels; depth 0 is the root, depth l has ``n_l`` nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from p5rec.core.errors import input_error


@dataclass(frozen=True, eq=False)
class Trie:
    """A tree of N items; nodes of a depth are numbered in lexicographic order of their codes.

    Attributes:
        sizes: codebook size of each level, L integers.
        starts: L tensors ``(n_l + 1,)`` int64; the children of node n at depth l are the nodes
            ``starts[l][n]:starts[l][n + 1]`` at depth l + 1.
        codes: L tensors ``(n_{l+1},)`` int64; the code that leads to each node of depth l + 1.
        fanout: the largest number of children per depth, L integers.
        leaf_starts: L + 1 tensors ``(n_l + 1,)`` int64; the leaves of node n at depth l are
            ``leaf_starts[l][n]:leaf_starts[l][n + 1]``.
        leaf_item: ``(N,)`` int64; the item row of each leaf.
    """

    sizes: tuple[int, ...]
    starts: tuple[Tensor, ...]
    codes: tuple[Tensor, ...]
    fanout: tuple[int, ...]
    leaf_starts: tuple[Tensor, ...]
    leaf_item: Tensor

    def __len__(self) -> int:
        return len(self.leaf_item)

    @property
    def levels(self) -> int:
        """L."""
        return len(self.sizes)

    @classmethod
    def build(cls, codes: np.ndarray, sizes: Sequence[int]) -> Trie:
        """The tree of item codes ``(N, L)``; the order of the rows does not matter.

        Raises:
            UserError: no items; a code outside its codebook (-1 included: an item with fewer codes
                would be a prefix of others); or two items with equal codes.
        """
        _check(codes, sizes)
        order, rows = _sorted(codes, sizes)
        borders, starts, taken = [np.array([0, len(rows)])], [], []
        begins = np.zeros(len(rows), dtype=bool)
        begins[0] = True
        for level in range(len(sizes)):
            # a node begins where its prefix differs from the row above
            column = rows[:, level]
            begins[1:] |= column[1:] != column[:-1]
            first = np.flatnonzero(begins)
            starts.append(np.searchsorted(first, borders[-1]))
            borders.append(np.append(first, len(rows)))
            taken.append(column[first])
        if not begins.all():
            second = int(np.flatnonzero(~begins)[0])
            pair = sorted(order[[second - 1, second]].tolist())
            raise input_error(
                "item codes",
                "different codes for all items",
                f"{rows[second].tolist()} for both item rows {pair[0]} and {pair[1]}",
                "resolve the collisions first",
            )
        return cls(
            sizes=tuple(sizes),
            starts=_tensors(starts),
            codes=_tensors(taken),
            fanout=tuple(int(np.diff(start).max()) for start in starts),
            leaf_starts=_tensors(borders),
            leaf_item=torch.from_numpy(order.astype(np.int64, copy=False)),
        )

    def to(self, device: torch.device | str) -> Trie:
        """The same tree on another device."""
        return Trie(
            sizes=self.sizes,
            starts=tuple(t.to(device) for t in self.starts),
            codes=tuple(t.to(device) for t in self.codes),
            fanout=self.fanout,
            leaf_starts=tuple(t.to(device) for t in self.leaf_starts),
            leaf_item=self.leaf_item.to(device),
        )

    @cached_property
    def item_leaf(self) -> Tensor:
        """``(N,)`` int64: the leaf of each item row."""
        return torch.empty_like(self.leaf_item).scatter_(
            0, self.leaf_item, torch.arange(len(self), device=self.leaf_item.device)
        )

    @property
    def inner(self) -> tuple[int, ...]:
        """The number of nodes per depth between root and leaves, L - 1 integers."""
        return tuple(len(codes) for codes in self.codes[:-1])

    @cached_property
    def _keys(self) -> tuple[Tensor, ...]:
        """L tensors ``(n_{l+1},)``, ascending: ``parent * C_l + code`` of each node."""
        parents = [torch.arange(len(s) - 1, device=s.device) for s in self.starts]
        owners = [p.repeat_interleave(s.diff()) for p, s in zip(parents, self.starts, strict=True)]
        return tuple(o * c + k for o, c, k in zip(owners, self.sizes, self.codes, strict=True))

    def descend(self, level: int, nodes: Tensor, codes: Tensor) -> Tensor:
        """The children of ``nodes`` with ``codes``, at depth ``level + 1``; both have one shape.

        The result is meaningless for a node without such a child.
        """
        keys = self._keys[level]
        wanted = (nodes * self.sizes[level] + codes).contiguous()
        return torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)

    @cached_property
    def item_codes(self) -> Tensor:
        """``(N, L)`` int64: the codes of each item row."""
        levels = zip(self.codes, self.leaf_starts[1:], strict=True)
        with torch.inference_mode(False):  # the first call caches it, and training may use it later
            by_leaf = [code.repeat_interleave(borders.diff()) for code, borders in levels]
            return torch.stack(by_leaf, dim=-1)[self.item_leaf]

    def paths(self, items: Tensor) -> Tensor:
        """The codes ``(..., L)`` of item rows ``(...)``."""
        return self.item_codes[items]

    def children(self, level: int, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The children of nodes ``(...)`` at depth ``level``, padded to the largest fan-out.

        Returns:
            ``(..., F)`` int64 nodes at depth ``level + 1``, padded with 0, and ``(..., F)`` bool,
            False for padding.
        """
        starts = self.starts[level]
        first, last = starts[nodes], starts[nodes + 1]
        child = first[..., None] + torch.arange(self.fanout[level], device=nodes.device)
        exists = child < last[..., None]
        return torch.where(exists, child, 0), exists

    def log_softmax(self, level: int, nodes: Tensor, logits: Tensor) -> Tensor:
        """Log-probabilities of the next code, normalised over codes that lead to an item.

        Args:
            level: l.
            nodes: ``(...)`` at depth l, the prefixes of the logits.
            logits: ``(..., C_l)``.

        Returns:
            ``(..., C_l)`` float32; probabilities of a node's children sum to 1, other entries are
            meaningless.
        """
        logits = logits.float()
        child, exists = self.children(level, nodes)
        valid = logits.gather(-1, self.codes[level][child]).masked_fill(~exists, -torch.inf)
        return logits - valid.logsumexp(-1, keepdim=True)

    def add_to_children(
        self, level: int, nodes: Tensor, logits: Tensor, gain: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Adds a value per child node to the logits, at the code of the child.

        Args:
            level: l.
            nodes: ``(...)`` at depth l.
            logits: ``(..., C_l)``.
            gain: maps nodes ``(..., F)`` at depth l + 1 to added values ``(..., F)``.
        """
        child, exists = self.children(level, nodes)
        own = gain(child).masked_fill(~exists, 0)
        return logits.scatter_add(-1, self.codes[level][child], own)

    def subtree_min(self, values: Tensor) -> list[Tensor]:
        """The minimum of the items' ``values (N,)`` in each subtree: L + 1 tensors ``(n_l,)``."""
        leaves, out = values[self.leaf_item], []
        for borders in self.leaf_starts:
            nodes = torch.arange(len(borders) - 1, device=values.device)
            above = nodes.repeat_interleave(borders.diff())
            least = leaves.new_empty(len(nodes))
            out.append(least.scatter_reduce(0, above, leaves, "amin", include_self=False))
        return out


def _check(codes: np.ndarray, sizes: Sequence[int]) -> None:
    if codes.ndim != 2 or codes.shape[1] != len(sizes) or not codes.size:
        raise input_error(
            "item codes",
            f"at least one item with {len(sizes)} codes",
            f"an array {codes.shape}",
            "give every item one code per level",
        )
    if (codes.min(axis=0) < 0).any() or (codes.max(axis=0) >= np.asarray(sizes)).any():
        outside = (codes < 0) | (codes >= np.asarray(sizes))
        row = int(np.flatnonzero(outside.any(axis=1))[0])
        raise input_error(
            "item codes",
            f"codes from 0 to below {list(sizes)}",
            f"{codes[row].tolist()} for item row {row}",
            "give every item one code per level (an item with fewer codes is a prefix of others)",
        )


def _sorted(codes: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The lexicographic order ``(N,)`` of the rows, and the sorted rows ``(N, L)``."""
    if prod(sizes) < 2**63:  # one number per row sorts several times faster than L columns
        order = np.argsort(np.ravel_multi_index(tuple(codes.T), tuple(sizes)))
    else:
        order = np.lexsort(codes.T[::-1])
    return order, codes[order]


def _tensors(arrays: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(a, dtype=np.int64)) for a in arrays)
