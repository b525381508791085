"""The search down the tree, measured against scoring every item."""

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
class Case:
    """One drawn search: B requests over N items."""

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

    def search(self, beams: int) -> tuple[Tensor, Tensor]:
        trie = Trie.build(self.codes.numpy(), self.sizes)
        opened = open_where(self.alive, trie)
        return beam_search(
            self.scorer,
            trie,
            beams,
            k=self.k,
            ranks=trie.smallest_below(self.tie),
            open_nodes=opened,
        )

    def oracle(self, chunk: int = 7) -> tuple[Tensor, Tensor]:
        score = self.scorer.full
        return exhaustive(score, self.codes, k=self.k, alive=self.alive, tie=self.tie, chunk=chunk)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    codes, sizes = draw(code_sets())
    seeds = draw(st.lists(st.integers(0, 99), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    return Case(
        codes=torch.from_numpy(codes),
        sizes=sizes,
        seeds=seeds,
        grid=draw(st.sampled_from([1, 2, 10, 1000])),
        alive=torch.from_numpy(rng.random((len(seeds), len(codes))) < share),
        tie=torch.from_numpy(rng.permutation(len(codes))),
        k=draw(st.integers(1, 45)),
    )


@given(case=cases())
def test_with_enough_beams_it_equals_scoring_every_item(case: Case) -> None:
    for found, expected in zip(case.search(beams=45), case.oracle(), strict=True):
        assert torch.equal(found, expected)
        assert found.dtype == expected.dtype


@given(case=cases(), extra=st.integers(0, 3))
def test_a_narrow_beam_gives_full_valid_lists_with_true_scores(case: Case, extra: int) -> None:
    items, scores = case.search(beams=case.k + extra)
    assert items.shape == scores.shape == (len(case.seeds), case.k)
    true = case.scorer.full(case.codes)
    rank = case.tie.tolist()
    for b in range(len(items)):
        given_items = items[b][items[b] >= 0].tolist()
        full = min(case.k, int(case.alive[b].sum()))
        assert len(given_items) == len(set(given_items)) == full
        assert (items[b, full:] == -1).all()
        assert torch.isneginf(scores[b, full:]).all()
        assert case.alive[b, given_items].all()
        assert torch.equal(scores[b, :full], true[b, given_items])
        keys = [(-float(true[b, i]), rank[i]) for i in given_items]
        assert keys == sorted(keys)


@given(data=st.data(), case=cases())
def test_neither_row_order_nor_batch_changes_a_list(data: st.DataObject, case: Case) -> None:
    items, scores = case.search(beams=case.k)
    order = torch.tensor(data.draw(st.permutations(range(len(case.codes)))))
    shuffled = Case(
        case.codes[order], case.sizes, case.seeds, case.grid,
        case.alive[:, order], case.tie[order], case.k,
    )  # fmt: skip
    other, other_scores = shuffled.search(beams=case.k)
    assert torch.equal(torch.where(other >= 0, order[other], -1), items)
    assert torch.equal(other_scores, scores)
    for b, seed in enumerate(case.seeds):
        alone = Case(
            case.codes, case.sizes, [seed], case.grid, case.alive[b : b + 1], case.tie, case.k
        )
        found, found_scores = alone.search(beams=case.k)
        assert torch.equal(found[0], items[b])
        assert torch.equal(found_scores[0], scores[b])


@given(case=cases())
def test_the_oracle_does_not_depend_on_its_chunk(case: Case) -> None:
    for one, two in zip(case.oracle(chunk=1), case.oracle(chunk=1000), strict=True):
        assert torch.equal(one, two)


def test_no_mask_means_every_item() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    trie, tie = Trie.build(codes, (2, 2)), torch.arange(3)
    items, _ = beam_search(
        TableScorer([0], (2, 2), 9), trie, 3, k=3, ranks=trie.smallest_below(tie)
    )
    assert sorted(items[0].tolist()) == [0, 1, 2]


def test_pruning_by_hand() -> None:
    """A greedy beam enters the better first code and misses the best item below the other."""
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    scorer = TableScorer([0], (2, 2), 1)
    scorer.tables = [
        torch.tensor([[[-1.0, -2.0]]]),
        torch.tensor([[[-5.0, -4.0], [-0.5, -9.0]]]),
    ]
    trie, tie = Trie.build(codes, (2, 2)), torch.arange(3)
    found = [beam_search(scorer, trie, n, k=1, ranks=trie.smallest_below(tie)) for n in (1, 2)]
    assert [(int(i), float(s)) for i, s in found] == [(1, -5.0), (2, -2.5)]


def test_ties_follow_the_permutation_when_the_beam_must_choose() -> None:
    codes = np.array([[c, 0] for c in range(6)])
    trie, tie = Trie.build(codes, (6, 1)), torch.tensor([3, 0, 5, 1, 4, 2])
    items, _ = beam_search(
        TableScorer([0], (6, 1), 1), trie, 3, k=3, ranks=trie.smallest_below(tie)
    )
    assert items.tolist() == [[1, 3, 5]]


def test_half_precision_and_very_low_scores_are_ordered_in_float32() -> None:
    scorer = TableScorer([0], (3, 2), 1)
    scorer.tables = [
        torch.tensor([[[-1e4, -2e4, -0.0]]], dtype=torch.bfloat16),
        torch.tensor([[[-1.0, -3.0], [-3e38, -1e-3], [0.0, -1e-30]]], dtype=torch.bfloat16),
    ]
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    trie, tie = Trie.build(codes, (3, 2)), torch.arange(6)
    items, scores = beam_search(scorer, trie, 6, k=6, ranks=trie.smallest_below(tie))
    assert items.tolist() == [[4, 5, 0, 1, 3, 2]]
    assert scores.dtype == torch.float32
    expected = exhaustive(scorer.full, torch.from_numpy(codes), k=6, alive=None, tie=tie)
    assert torch.equal(items, expected[0])


def test_fewer_beams_than_k_is_refused() -> None:
    trie = Trie.build(np.array([[0]]), (1,))
    with pytest.raises(ValueError, match="at least k = 5 beams, got 4"):
        beam_search(TableScorer([0], (1,), 1), trie, 4, k=5, ranks=[])


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), float("inf")])
def test_a_scorer_without_finite_answers_is_told_off(bad: float) -> None:
    scorer = TableScorer([0], (2, 2), 1)
    scorer.tables[1][0, 1, 0] = bad
    codes, tie = np.array([[0, 0], [1, 0]]), torch.arange(2)
    trie = Trie.build(codes, (2, 2))
    with pytest.raises(ValueError, match="level 1: expected finite"):
        beam_search(scorer, trie, 2, k=1, ranks=trie.smallest_below(tie))
    seen = open_where(torch.tensor([[True, False]]), trie)  # what no beam enters may be anything
    assert beam_search(scorer, trie, 2, k=1, ranks=trie.smallest_below(tie), open_nodes=seen)[
        0
    ].tolist() == [[0]]


def test_surplus_beams_may_be_answered_with_anything() -> None:
    class Poisoned(TableScorer):
        def step(self, codes: Tensor, parents: Tensor) -> Tensor:
            answer = super().step(codes, parents).clone()
            answer[:, 1:] = torch.nan  # one item is allowed, so only the first beam is real
            return answer

    codes = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0]])
    trie, tie = Trie.build(codes, (2, 2, 1)), torch.arange(3)
    opened = open_where(torch.tensor([[True, False, False]]), trie)
    items, _ = beam_search(
        Poisoned([0], (2, 2, 1), 9), trie, 3, k=2, ranks=trie.smallest_below(tie), open_nodes=opened
    )
    assert items.tolist() == [[0, -1]]


def test_a_scorer_of_the_wrong_width_is_told_off() -> None:
    trie = Trie.build(np.array([[0, 0], [1, 0]]), (2, 2))
    with pytest.raises(ValueError, match=r"level 1: expected .*\(1, 2, 2\), got \(1, 2, 3\)"):
        beam_search(
            TableScorer([0], (2, 3), 1), trie, 2, k=1, ranks=trie.smallest_below(torch.arange(2))
        )
