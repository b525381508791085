"""Random code sets, and a scorer backed by a table of prefixes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.trie import Trie

Codes = tuple[np.ndarray, tuple[int, ...]]


@st.composite
def code_sets(draw: st.DrawFn) -> Codes:
    """Unique codes ``(N, L)`` in any order, from one item to all possible items."""
    sizes = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    every = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.permutation(every)[: draw(st.integers(1, min(len(every), 40)))], sizes


def open_where(alive: Tensor, trie: Trie) -> OpenNodes:
    """The open nodes for a mask ``(B, N)`` of allowed items."""
    deny = ItemLists.joined([np.flatnonzero(~row) for row in alive.numpy()])
    return OpenNodes(trie, Allowed(deny=deny))


class TableScorer:
    """Random log-probabilities per request and prefix; prefixes are numbered in base C.

    Values are multiples of 1/8, so sums are exact and ties are common.

    Args:
        seeds: one per request; its log-probabilities depend on its own seed alone.
        sizes: codebook sizes, L integers.
        grid: number of different values; 1 makes all scores equal.
    """

    def __init__(self, seeds: list[int], sizes: tuple[int, ...], grid: int) -> None:
        prefixes = np.cumprod([1, *sizes])
        self.sizes = sizes
        self.tables = [
            torch.stack([self._table(s, level, prefixes[level], size, grid) for s in seeds])
            for level, size in enumerate(sizes)
        ]

    @staticmethod
    def _table(seed: int, level: int, prefixes: int, size: int, grid: int) -> Tensor:
        values = np.random.default_rng([seed, level]).integers(0, grid, (prefixes, size))
        return torch.from_numpy(-values.astype(np.float32) / 8)

    def start(self) -> Tensor:
        self.prefix = torch.zeros(len(self.tables[0]), 1, dtype=torch.int64)
        self.level = 0
        return self.tables[0][:, 0]

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        self.prefix = self.prefix.gather(1, parents) * self.sizes[self.level] + codes
        self.level += 1
        table = self.tables[self.level]
        return table[torch.arange(len(table))[:, None], self.prefix]

    def full(self, codes: Tensor) -> Tensor:
        """``(B, M)`` scores of items ``(M, L)``, computed independently of the search."""
        total = torch.zeros(len(self.tables[0]), len(codes))
        prefix = torch.zeros(len(codes), dtype=torch.int64)
        for level, table in enumerate(self.tables):
            total = total + table[:, prefix, codes[:, level]]
            prefix = prefix * self.sizes[level] + codes[:, level]
        return total
