"""Lists of different texts, against an enumeration of all lists."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.distinct_lists import distinct_lists
from p5rec.decode.token_sequences import END, TokenSequences
from p5rec.decode.token_tree import TokenTree

pytestmark = pytest.mark.system("palr")

WORDS = [[1, 2, 9], [1, 3, 2, 9], [4, 9], [1, 2, 3, 9], [4, 4, 4, 9], [2, 9]]
VOCABULARY = 10


def tree_of(words: list[list[int]], tie: Tensor | None = None) -> TokenTree:
    table = np.full((len(words), max(map(len, words))), END)
    for row, word in zip(table, words, strict=True):
        row[: len(word)] = word
    return TokenTree.of(TokenSequences.build(table), tie)


class PrefixScorer:
    """Random logits per request and all tokens before; multiples of 1/8, so ties are common."""

    def __init__(self, seeds: list[int], values: int = 30) -> None:
        self.seeds, self.values = seeds, values
        self.before: list[list[tuple[int, ...]]] = [[()] for _ in seeds]

    def row(self, request: int, before: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng([self.seeds[request], *before, len(before)])
        return rng.integers(0, self.values, VOCABULARY).astype(np.float32) / 8

    def logits(self, rows: Tensor) -> Tensor:
        asked = [(r, self.before[r][b]) for r, b in rows.nonzero().tolist()]
        return torch.from_numpy(np.stack([self.row(*each) for each in asked]))

    def step(self, tokens: Tensor, parents: Tensor) -> None:
        self.before = [
            [(*self.before[r][p], t) for t, p in zip(own, whose, strict=True)]
            for r, (own, whose) in enumerate(zip(tokens.tolist(), parents.tolist(), strict=True))
        ]


def log_probs(scorer: PrefixScorer, request: int, order: list[int], own: set[int]) -> list[float]:
    """The log-probability of each item of a list, token by token."""
    before: tuple[int, ...] = ()
    out, left = [], set(own)
    for item in order:
        total, depth = 0.0, 0
        for token in WORDS[item]:
            possible = {i for i in left if WORDS[i][:depth] == WORDS[item][:depth]}
            following = sorted({WORDS[i][depth] for i in possible})
            logits = torch.from_numpy(scorer.row(request, before))[following]
            total += float(logits.log_softmax(0)[following.index(token)])
            before, depth = (*before, token), depth + 1
        out.append(total)
        left.remove(item)
    return out


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[int], list[set[int]], int]:
    seeds = draw(st.lists(st.integers(0, 99), min_size=1, max_size=4))
    own = [draw(st.sets(st.integers(0, len(WORDS) - 1), max_size=4)) for _ in seeds]
    return seeds, own, draw(st.integers(1, 4))


@given(requests())
def test_a_wide_search_finds_the_likeliest_list(
    case: tuple[list[int], list[set[int]], int],
) -> None:
    seeds, own, k = case
    scorer, allowed = PrefixScorer(seeds), Allowed(allow=ItemLists.joined([[*o] for o in own]))
    found = distinct_lists(scorer, tree_of(WORDS), k, len(seeds), allowed, beams=100)
    for request, possible in enumerate(own):
        length = min(k, len(possible))
        items = found.items[request].tolist()
        assert set(items[length:]) <= {-1}
        assert found.scores[request, length:].isneginf().all()
        assert len({*items[:length]} & possible) == length
        assert int(found.tokens[request]) == sum(len(WORDS[i]) for i in items[:length])
        every = [
            sum(log_probs(scorer, request, [*order], possible))
            for order in permutations(sorted(possible), length)
        ]
        mine = log_probs(scorer, request, items[:length], possible)
        assert found.scores[request, :length].tolist() == pytest.approx(mine, abs=1e-5)
        assert sum(mine) == pytest.approx(max(every), abs=1e-5)
        assert np.exp(every).sum() == pytest.approx(1)


@given(requests())
def test_a_list_does_not_depend_on_other_requests(
    case: tuple[list[int], list[set[int]], int],
) -> None:
    seeds, own, k = case
    lists = ItemLists.joined([[*o] for o in own])
    tree = tree_of(WORDS, torch.tensor([5, 4, 3, 2, 1, 0]))
    for beams in (1, 3):
        together = distinct_lists(
            PrefixScorer(seeds, 3), tree, k, len(seeds), Allowed(allow=lists), beams=beams
        )
        for request, seed in enumerate(seeds):
            allowed = Allowed(allow=lists.take(np.array([request])))
            alone = distinct_lists(PrefixScorer([seed], 3), tree, k, 1, allowed, beams=beams)
            assert torch.equal(together.items[request], alone.items[0])
            assert torch.equal(together.scores[request], alone.scores[0])


def test_one_beam_is_greedy_and_reads_each_token_once() -> None:
    scorer = PrefixScorer([3])
    allowed = Allowed(deny=ItemLists.joined([[2]]))
    found = distinct_lists(scorer, tree_of(WORDS), 6, 1, allowed)
    items, left = found.items[0].tolist(), {0, 1, 3, 4, 5}
    assert sorted(items[:5]) == sorted(left)
    assert items[5] == -1
    written = [token for item in items[:5] for token in WORDS[item]]
    assert list(scorer.before[0][0]) == written[:-1]  # the last token is not read
    assert found.scores[0, :5].tolist() == pytest.approx(log_probs(scorer, 0, items[:5], left))


def test_equal_scores_are_ordered_by_the_tie() -> None:
    first = [int(distinct_lists(PrefixScorer([0], 1), tree_of(WORDS, tie), 1, 1, Allowed()).items)
             for tie in (torch.arange(6), torch.tensor([5, 4, 3, 2, 1, 0]))]  # fmt: skip
    assert first == [0, 5]


def test_requests_without_items_and_broken_logits() -> None:
    nothing = Allowed(candidates=np.zeros(len(WORDS), dtype=bool))
    found = distinct_lists(PrefixScorer([0, 1]), tree_of(WORDS), 2, 2, nothing)
    assert (found.items == -1).all()
    assert (found.tokens == 0).all()
    broken = PrefixScorer([0])
    broken.values = 1
    broken.row = lambda *_: np.full(VOCABULARY, np.nan, dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="finite"):
        distinct_lists(broken, tree_of(WORDS), 2, 1, Allowed())
