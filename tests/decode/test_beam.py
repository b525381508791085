"""Beam search, against exhaustive scoring of all items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from code_sets import TableScorer, code_sets, open_where
from hypothesis import given
from hypothesis import strategies as st
from oracles import exhaustive
from torch import Tensor

from p5rec.decode.beam import beam_search
from p5rec.decode.trie import Trie


@dataclass(frozen=True)
class Search:
    """A random search: B requests over N items."""

    codes: Tensor
    sizes: tuple[int, ...]
    seeds: list[int]
    grid: int
    alive: Tensor
    tie: Tensor
    k: int

    @property
    def scorer(self) -> TableScorer:
        return TableScorer(self.seeds, self.sizes, self.grid)

    def run(self, beams: int) -> tuple[Tensor, Tensor]:
        trie = Trie.build(self.codes.numpy(), self.sizes)
        opened = open_where(self.alive, trie)
        return beam_search(
            self.scorer,
            trie,
            beams,
            k=self.k,
            ranks=trie.subtree_min(self.tie),
            open_nodes=opened,
        )

    def oracle(self, chunk: int = 7) -> tuple[Tensor, Tensor]:
        score = self.scorer.full
        return exhaustive(score, self.codes, k=self.k, alive=self.alive, tie=self.tie, chunk=chunk)


@st.composite
def searches(draw: st.DrawFn) -> Search:
    codes, sizes = draw(code_sets())
    seeds = draw(st.lists(st.integers(0, 99), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    return Search(
        codes=torch.from_numpy(codes),
        sizes=sizes,
        seeds=seeds,
        grid=draw(st.sampled_from([1, 2, 10, 1000])),
        alive=torch.from_numpy(rng.random((len(seeds), len(codes))) < share),
        tie=torch.from_numpy(rng.permutation(len(codes))),
        k=draw(st.integers(1, 45)),
    )


@given(search=searches())
def test_with_enough_beams_it_equals_exhaustive_scoring(search: Search) -> None:
    for result, expected in zip(search.run(beams=45), search.oracle(), strict=True):
        assert torch.equal(result, expected)
        assert result.dtype == expected.dtype


@given(search=searches(), extra=st.integers(0, 3))
def test_a_narrow_beam_gives_full_lists_with_exact_scores(search: Search, extra: int) -> None:
    items, scores = search.run(beams=search.k + extra)
    assert items.shape == scores.shape == (len(search.seeds), search.k)
    true = search.scorer.full(search.codes)
    rank = search.tie.tolist()
    for b in range(len(items)):
        returned = items[b][items[b] >= 0].tolist()
        full = min(search.k, int(search.alive[b].sum()))
        assert len(returned) == len(set(returned)) == full
        assert (items[b, full:] == -1).all()
        assert torch.isneginf(scores[b, full:]).all()
        assert search.alive[b, returned].all()
        assert torch.equal(scores[b, :full], true[b, returned])
        keys = [(-float(true[b, i]), rank[i]) for i in returned]
        assert keys == sorted(keys)


@given(data=st.data(), search=searches())
def test_lists_do_not_depend_on_row_order_or_batch(data: st.DataObject, search: Search) -> None:
    items, scores = search.run(beams=search.k)
    order = torch.tensor(data.draw(st.permutations(range(len(search.codes)))))
    shuffled = Search(
        search.codes[order], search.sizes, search.seeds, search.grid,
        search.alive[:, order], search.tie[order], search.k,
    )  # fmt: skip
    other, other_scores = shuffled.run(beams=search.k)
    assert torch.equal(torch.where(other >= 0, order[other], -1), items)
    assert torch.equal(other_scores, scores)
    for b, seed in enumerate(search.seeds):
        alone = Search(
            search.codes,
            search.sizes,
            [seed],
            search.grid,
            search.alive[b : b + 1],
            search.tie,
            search.k,
        )
        single, single_scores = alone.run(beams=search.k)
        assert torch.equal(single[0], items[b])
        assert torch.equal(single_scores[0], scores[b])


@given(search=searches())
def test_the_oracle_does_not_depend_on_its_chunk(search: Search) -> None:
    for one, two in zip(search.oracle(chunk=1), search.oracle(chunk=1000), strict=True):
        assert torch.equal(one, two)


def test_without_a_mask_all_items_are_allowed() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    trie, tie = Trie.build(codes, (2, 2)), torch.arange(3)
    items, _ = beam_search(TableScorer([0], (2, 2), 9), trie, 3, k=3, ranks=trie.subtree_min(tie))
    assert sorted(items[0].tolist()) == [0, 1, 2]


def test_pruning_by_hand() -> None:
    """One beam follows the better first code and misses the best item under the other."""
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    scorer = TableScorer([0], (2, 2), 1)
    scorer.tables = [
        torch.tensor([[[-1.0, -2.0]]]),
        torch.tensor([[[-5.0, -4.0], [-0.5, -9.0]]]),
    ]
    trie, tie = Trie.build(codes, (2, 2)), torch.arange(3)
    results = [beam_search(scorer, trie, n, k=1, ranks=trie.subtree_min(tie)) for n in (1, 2)]
    assert [(int(i), float(s)) for i, s in results] == [(1, -5.0), (2, -2.5)]


def test_ties_follow_the_permutation() -> None:
    codes = np.array([[c, 0] for c in range(6)])
    trie, tie = Trie.build(codes, (6, 1)), torch.tensor([3, 0, 5, 1, 4, 2])
    items, _ = beam_search(TableScorer([0], (6, 1), 1), trie, 3, k=3, ranks=trie.subtree_min(tie))
    assert items.tolist() == [[1, 3, 5]]


def test_half_precision_and_very_low_scores_are_ordered_in_float32() -> None:
    scorer = TableScorer([0], (3, 2), 1)
    scorer.tables = [
        torch.tensor([[[-1e4, -2e4, -0.0]]], dtype=torch.bfloat16),
        torch.tensor([[[-1.0, -3.0], [-3e38, -1e-3], [0.0, -1e-30]]], dtype=torch.bfloat16),
    ]
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    trie, tie = Trie.build(codes, (3, 2)), torch.arange(6)
    items, scores = beam_search(scorer, trie, 6, k=6, ranks=trie.subtree_min(tie))
    assert items.tolist() == [[4, 5, 0, 1, 3, 2]]
    assert scores.dtype == torch.float32
    expected = exhaustive(scorer.full, torch.from_numpy(codes), k=6, alive=None, tie=tie)
    assert torch.equal(items, expected[0])


def test_fewer_beams_than_k_is_an_error() -> None:
    trie = Trie.build(np.array([[0]]), (1,))
    with pytest.raises(ValueError, match="at least k = 5 beams, got 4"):
        beam_search(TableScorer([0], (1,), 1), trie, 4, k=5, ranks=[])


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), float("inf")])
def test_a_scorer_with_non_finite_values_is_an_error(bad: float) -> None:
    scorer = TableScorer([0], (2, 2), 1)
    scorer.tables[1][0, 1, 0] = bad
    codes, tie = np.array([[0, 0], [1, 0]]), torch.arange(2)
    trie = Trie.build(codes, (2, 2))
    with pytest.raises(ValueError, match="level 1: expected finite"):
        beam_search(scorer, trie, 2, k=1, ranks=trie.subtree_min(tie))
    seen = open_where(torch.tensor([[True, False]]), trie)  # values of closed nodes are ignored
    assert beam_search(scorer, trie, 2, k=1, ranks=trie.subtree_min(tie), open_nodes=seen)[
        0
    ].tolist() == [[0]]


def test_values_of_surplus_beams_are_ignored() -> None:
    class Poisoned(TableScorer):
        def step(self, codes: Tensor, parents: Tensor) -> Tensor:
            log_probs = super().step(codes, parents).clone()
            log_probs[:, 1:] = torch.nan  # one item is allowed, so one beam alone is valid
            return log_probs

    codes = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0]])
    trie, tie = Trie.build(codes, (2, 2, 1)), torch.arange(3)
    opened = open_where(torch.tensor([[True, False, False]]), trie)
    items, _ = beam_search(
        Poisoned([0], (2, 2, 1), 9), trie, 3, k=2, ranks=trie.subtree_min(tie), open_nodes=opened
    )
    assert items.tolist() == [[0, -1]]


def test_a_scorer_of_the_wrong_width_is_an_error() -> None:
    trie = Trie.build(np.array([[0, 0], [1, 0]]), (2, 2))
    with pytest.raises(ValueError, match=r"level 1: expected .*\(1, 2, 2\), got \(1, 2, 3\)"):
        beam_search(
            TableScorer([0], (2, 3), 1), trie, 2, k=1, ranks=trie.subtree_min(torch.arange(2))
        )
