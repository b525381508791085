"""Lists that are capped below prefixes, and lists that are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from code_sets import TableScorer, code_sets, open_where
from hypothesis import given
from hypothesis import strategies as st

from p5rec.decode.beam import Cap, beam_search
from p5rec.decode.sampling import Draws
from p5rec.decode.trie import Trie


@given(
    drawn=code_sets(),
    seed=st.integers(0, 2**32),
    k=st.integers(1, 12),
    extra=st.integers(0, 30),
    most=st.integers(1, 3),
    data=st.data(),
)
def test_a_capped_list_is_full_and_keeps_its_cap(
    drawn: tuple[np.ndarray, tuple[int, ...]],
    seed: int,
    k: int,
    extra: int,
    most: int,
    data: st.DataObject,
) -> None:
    """With any number of beams: as many items as the cap leaves, and with all, the best of them."""
    codes, sizes = drawn
    depth = data.draw(st.integers(1, len(sizes)))
    rng = np.random.default_rng(seed)
    alive = torch.from_numpy(rng.random((2, len(codes))) < 0.7)
    trie, tie = Trie.build(codes, sizes), torch.from_numpy(rng.permutation(len(codes)))
    scorer = TableScorer([1, 2], sizes, 10)
    items, scores = beam_search(
        scorer, trie, k + extra, k=k, ranks=trie.smallest_below(tie),
        open_nodes=open_where(alive, trie), cap=Cap(depth, most),
    )  # fmt: skip
    full = scorer.full(torch.from_numpy(codes))
    prefix = [tuple(row) for row in codes[:, :depth].tolist()]
    for b in range(2):
        there = [int(i) for i in items[b] if i >= 0]
        counts = [sum(prefix[i] == p for i in there) for p in set(prefix)]
        may = [int(i) for i in np.flatnonzero(alive[b])]
        room = sum(min(most, sum(prefix[i] == p for i in may)) for p in set(prefix))
        assert max(counts, default=0) <= most
        assert len(there) == len(set(there)) == min(k, room)
        assert set(there) <= set(may)
        assert torch.equal(scores[b, : len(there)], full[b, there])
        if k + extra >= len(codes):  # nothing is pruned: greedy by score and tie is the answer
            best, left = [], dict.fromkeys(prefix, most)
            for i in sorted(may, key=lambda i: (-float(full[b, i]), int(tie[i]))):
                if left[prefix[i]] and len(best) < k:
                    left[prefix[i]] -= 1
                    best.append(i)
            assert there == best


class Probable(TableScorer):
    """Tables that are log-probabilities of real items: those of all items sum to 1."""

    def __init__(self, seeds: list[int], sizes: tuple[int, ...], trie: Trie) -> None:
        super().__init__(seeds, sizes, 20)
        self.trie = trie

    def start(self) -> torch.Tensor:
        self.nodes = torch.zeros(len(self.tables[0]), 1, dtype=torch.int64)
        return self.trie.log_softmax(0, self.nodes, super().start()[:, None])[:, 0]

    def step(self, codes: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        self.nodes = self.trie.descend(self.level, self.nodes.gather(1, parents), codes)
        return self.trie.log_softmax(self.level + 1, self.nodes, super().step(codes, parents))


CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]])


def drawn(requests: int, k: int, seeds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    trie = Trie.build(CODES, (2, 3))
    scorer = Probable([7] * requests, (2, 3), trie)
    tie = torch.arange(len(CODES))
    return beam_search(
        scorer, trie, 5, k=k, ranks=trie.smallest_below(tie), draws=Draws(seeds, trie)
    )


def test_items_are_drawn_as_often_as_they_are_likely_and_never_twice() -> None:
    n = 20_000
    items, scores = drawn(n, 5, torch.arange(n))
    assert (items.sort(1).values == torch.arange(5)).all()
    chance = torch.zeros(5).scatter(0, items[0], scores[0].exp())
    assert chance.sum() == pytest.approx(1, abs=1e-5)
    first = torch.bincount(items[:, 0], minlength=5) / n
    assert torch.allclose(first, chance, atol=0.02)
    # and what comes second, given the first, has its share of what is left
    top = int(chance.argmax())
    second = items[items[:, 0] == top, 1]
    left = chance.clone().index_fill(0, torch.tensor(top), 0) / (1 - chance[top])
    assert torch.allclose(torch.bincount(second, minlength=5) / len(second), left, atol=0.03)


def test_a_draw_hangs_on_its_seed_alone() -> None:
    together, _ = drawn(6, 3, torch.tensor([5, 1, 5, 9, 2, 2**62]))
    alone, _ = drawn(1, 3, torch.tensor([5]))
    assert torch.equal(together[0], alone[0])
    assert torch.equal(together[2], alone[0])
    assert len({tuple(row) for row in together.tolist()}) > 2
