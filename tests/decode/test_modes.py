"""Lists with a cap per prefix, and sampled lists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from code_sets import TableScorer, code_sets, open_where
from hypothesis import given
from hypothesis import strategies as st

from p5rec.decode.beam import Cap, beam_search
from p5rec.decode.stochastic_beam import GumbelNoise
from p5rec.decode.trie import Trie


@given(
    code_set=code_sets(),
    seed=st.integers(0, 2**32),
    k=st.integers(1, 12),
    extra=st.integers(0, 30),
    most=st.integers(1, 3),
    data=st.data(),
)
def test_a_capped_list_is_full_and_respects_its_cap(
    code_set: tuple[np.ndarray, tuple[int, ...]],
    seed: int,
    k: int,
    extra: int,
    most: int,
    data: st.DataObject,
) -> None:
    """Lists have as many items as the cap allows; without pruning, the best ones."""
    codes, sizes = code_set
    depth = data.draw(st.integers(1, len(sizes)))
    rng = np.random.default_rng(seed)
    alive = torch.from_numpy(rng.random((2, len(codes))) < 0.7)
    trie, tie = Trie.build(codes, sizes), torch.from_numpy(rng.permutation(len(codes)))
    scorer = TableScorer([1, 2], sizes, 10)
    items, scores = beam_search(
        scorer, trie, k + extra, k=k, ranks=trie.subtree_min(tie),
        open_nodes=open_where(alive, trie), cap=Cap(depth, most),
    )  # fmt: skip
    full = scorer.full(torch.from_numpy(codes))
    prefix = [tuple(row) for row in codes[:, :depth].tolist()]
    for b in range(2):
        listed = [int(i) for i in items[b] if i >= 0]
        counts = [sum(prefix[i] == p for i in listed) for p in set(prefix)]
        allowed = [int(i) for i in np.flatnonzero(alive[b])]
        capacity = sum(min(most, sum(prefix[i] == p for i in allowed)) for p in set(prefix))
        assert max(counts, default=0) <= most
        assert len(listed) == len(set(listed)) == min(k, capacity)
        assert set(listed) <= set(allowed)
        assert torch.equal(scores[b, : len(listed)], full[b, listed])
        if k + extra >= len(codes):  # nothing is pruned: greedy selection by score and tie
            best, free = [], dict.fromkeys(prefix, most)
            for i in sorted(allowed, key=lambda i: (-float(full[b, i]), int(tie[i]))):
                if free[prefix[i]] and len(best) < k:
                    free[prefix[i]] -= 1
                    best.append(i)
            assert listed == best


class NormalisedScorer(TableScorer):
    """A scorer whose item probabilities sum to 1."""

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


def sampled(requests: int, k: int, seeds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    trie = Trie.build(CODES, (2, 3))
    scorer = NormalisedScorer([7] * requests, (2, 3), trie)
    tie = torch.arange(len(CODES))
    return beam_search(
        scorer, trie, 5, k=k, ranks=trie.subtree_min(tie), noise=GumbelNoise(seeds, trie)
    )


def test_items_are_sampled_without_replacement_by_probability() -> None:
    n = 20_000
    items, scores = sampled(n, 5, torch.arange(n))
    assert (items.sort(1).values == torch.arange(5)).all()
    probability = torch.zeros(5).scatter(0, items[0], scores[0].exp())
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    first = torch.bincount(items[:, 0], minlength=5) / n
    assert torch.allclose(first, probability, atol=0.02)
    # the second item, given the first, has its share of the remaining probability
    top = int(probability.argmax())
    second = items[items[:, 0] == top, 1]
    rest = probability.clone().index_fill(0, torch.tensor(top), 0) / (1 - probability[top])
    assert torch.allclose(torch.bincount(second, minlength=5) / len(second), rest, atol=0.03)


def test_a_sample_depends_on_its_seed_alone() -> None:
    together, _ = sampled(6, 3, torch.tensor([5, 1, 5, 9, 2, 2**62]))
    alone, _ = sampled(1, 3, torch.tensor([5]))
    assert torch.equal(together[0], alone[0])
    assert torch.equal(together[2], alone[0])
    assert len({tuple(row) for row in together.tolist()}) > 2
