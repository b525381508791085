"""Token sequences of any length as one tree, whose nodes have numbers that do not depend on depth.

So requests at different depths take one step together. N items, n nodes, F the largest fan-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from .token_sequences import END, TokenSequences


@dataclass(frozen=True, eq=False)
class TokenTree:
    """The tree of :class:`.token_sequences.TokenSequences`; node 0 is the root.

    Attributes:
        token: ``(n,)`` int64, the token that leads to each node; -1 for the root.
        first, fanout: ``(n,)`` int64: the children of node i are ``fanout[i]`` nodes from
            ``first[i]`` on.
        leaf_first, leaf_last: ``(n,)`` int64: the leaves below node i are
            ``leaf_first[i]:leaf_last[i]``.
        ends: ``(n,)`` bool: a sequence ends at the node, which has no children to enter.
        rank: ``(n,)`` int64, smallest first among equal scores.
        leaf_item: ``(N,)`` int64, the item of each leaf.
    """

    token: Tensor
    first: Tensor
    fanout: Tensor
    leaf_first: Tensor
    leaf_last: Tensor
    ends: Tensor
    rank: Tensor
    leaf_item: Tensor

    @classmethod
    def of(cls, sequences: TokenSequences, tie: Tensor | None = None) -> TokenTree:
        """The tree of ``sequences``.

        Args:
            tie: ``(N,)`` a permutation that orders items of equal score; None: by index.
        """
        trie = sequences.trie
        tie = torch.arange(len(trie)) if tie is None else tie
        depths = [1, *map(len, trie.codes)]
        below = list(accumulate(depths))  # the first node of the next depth
        levels = list(zip(sequences.tokens, trie.codes, strict=True))
        leaf = torch.zeros(depths[-1], dtype=torch.int64)
        token = torch.cat([torch.tensor([END]), *(tokens[codes] for tokens, codes in levels)])
        starts = zip(below, trie.starts, strict=False)
        first = torch.cat([*(begin + start[:-1] for begin, start in starts), leaf])
        fanout = torch.cat([*(start.diff() for start in trie.starts), leaf])
        ends = (fanout == 0) | (token[first] == END)  # an end is an only child
        ends[0] = False
        return cls(
            token=token,
            first=first,
            fanout=fanout,
            leaf_first=torch.cat([borders[:-1] for borders in trie.leaf_starts]),
            leaf_last=torch.cat([borders[1:] for borders in trie.leaf_starts]),
            ends=ends,
            rank=torch.cat(trie.subtree_min(tie)),
            leaf_item=trie.leaf_item,
        )

    def to(self, device: torch.device | str) -> TokenTree:
        """The same tree on another device."""
        return TokenTree(**{name: value.to(device) for name, value in vars(self).items()})

    def children(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The children of nodes ``(...)``, padded to the largest fan-out among them.

        Returns:
            ``(..., F)`` int64 nodes, padded with 0, and ``(..., F)`` bool, False for padding.
        """
        fanout = self.fanout[nodes]
        column = torch.arange(max(1, int(fanout.max())), device=nodes.device)
        exists = column < fanout[..., None]
        return torch.where(exists, self.first[nodes][..., None] + column, 0), exists
