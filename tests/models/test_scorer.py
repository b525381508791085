"""The cached, branching scorer against plain teacher forcing, and the search against both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import llama, make_bundle, save_llama, scratch, some_codes
from torch import Tensor

from p5rec.core.types import ItemCodes
from p5rec.decode.beam import beam_search
from p5rec.decode.exhaustive import exhaustive
from p5rec.decode.trie import Trie
from p5rec.models.batches import pad
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import CausalScorer, score_codes

SIZES = (4, 3, 3)
CLOSE = 2e-5


@pytest.fixture(scope="module", params=["scratch", "llama", "llama eager", "llama lora"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    codes = some_codes(20, SIZES)
    if request.param == "scratch":
        return make_bundle(scratch(), codes).ready()
    folder = save_llama(tmp_path_factory.mktemp("llama"))
    made = make_bundle(llama(folder, lora=request.param.endswith("lora")), codes).ready()
    if request.param.endswith("eager"):
        made.model.causal.set_attn_implementation("eager")
    return made


def prompts(bundle: Bundle, lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Texts and items mixed, of these lengths, padded on the left."""
    rng = np.random.default_rng(seed)
    top = bundle.layout.first + sum(bundle.layout.codes.sizes)
    rows = [rng.integers(3, top, n) for n in lengths]
    return pad(rows, bundle.tokenizer.pad_token_id, left=True)


def by_steps(bundle: Bundle, ids: Tensor, mask: Tensor, codes: Tensor, shuffle: int) -> Tensor:
    """Scores ``(B, M)`` of tuples ``(M, L)`` by start and step, each tuple a beam of its own.

    The beams change places at each step, so that a beam's parent is not its namesake.
    """
    scorer = CausalScorer(bundle.model, ids, mask)
    logs = scorer.start()
    total = logs[:, codes[:, 0]]
    beams, batch = len(codes), len(ids)
    generator = torch.Generator().manual_seed(shuffle)
    order = torch.arange(beams)
    for level in range(1, codes.shape[1]):
        moved = torch.randperm(beams, generator=generator)
        parents = torch.zeros(beams, dtype=torch.int64) if level == 1 else order.argsort()[moved]
        logs = scorer.step(codes[moved, level - 1].expand(batch, -1), parents.expand(batch, -1))
        order = moved
        back = moved.argsort()
        total = total + logs[:, back, codes[:, level]]
    return total


@torch.inference_mode()
@pytest.mark.parametrize("shuffle", [0, 1])
def test_cached_steps_equal_teacher_forcing(bundle: Bundle, shuffle: int) -> None:
    ids, mask = prompts(bundle, [9, 1, 30, 4])
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    found = by_steps(bundle, ids, mask, codes, shuffle)
    wanted = score_codes(bundle.model, ids, mask, codes)
    assert torch.allclose(found, wanted, atol=CLOSE)
    assert float(wanted.std(1).min()) > 0.1  # the tuples do differ


@torch.inference_mode()
def test_teacher_forcing_equals_the_whole_model_s_logits(bundle: Bundle) -> None:
    """The oracle's own oracle: logits of the full head, cut to a level by hand."""
    ids, mask = prompts(bundle, [7])
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    tokens = torch.from_numpy(bundle.layout.items)
    wanted = []
    for row in tokens:
        logits = bundle.model.causal(input_ids=torch.cat([ids[0], row])[None]).logits[0]
        score, start = 0.0, bundle.layout.first
        for level, size in enumerate(SIZES):
            logs = logits[6 + level, start : start + size].log_softmax(0)
            score += float(logs[row[level] - start])
            start += size
        wanted.append(score)
    found = score_codes(bundle.model, ids, mask, codes)[0]
    assert torch.allclose(found, torch.tensor(wanted), atol=CLOSE)


@torch.inference_mode()
def test_a_request_is_scored_alike_alone_and_among_others(bundle: Bundle) -> None:
    ids, mask = prompts(bundle, [5, 40, 12])
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    together = by_steps(bundle, ids, mask, codes, 0)
    for b in range(3):
        own = ids[b][mask[b].bool()][None]
        alone = by_steps(bundle, own, torch.ones_like(own), codes, 0)
        assert torch.allclose(alone[0], together[b], atol=CLOSE)


@torch.inference_mode()
def test_a_scorer_can_be_started_again(bundle: Bundle) -> None:
    ids, mask = prompts(bundle, [5, 8])
    scorer = CausalScorer(bundle.model, ids, mask)
    trie, tie = Trie.build(bundle.layout.codes.codes, SIZES), torch.arange(20)
    first, again = (beam_search(scorer, trie, 6, k=5, alive=None, tie=tie) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


LARGEST = (4, 3, 3)


@pytest.fixture(scope="module")
def wide() -> Bundle:
    """One causal model whose vocabulary every drawn code set fits into."""
    return make_bundle(scratch(), some_codes(36, LARGEST)).ready()


@st.composite
def code_sets(draw: st.DrawFn) -> np.ndarray:
    """Any non-empty set of tuples, in any order."""
    every = np.stack(np.unravel_index(np.arange(36), LARGEST), axis=1)
    chosen = draw(st.lists(st.sampled_from(range(36)), min_size=1, max_size=36, unique=True))
    return every[chosen].astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(
    table=code_sets(),
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=3),
    k=st.integers(1, 40),
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.3, 1.0]),
)
@torch.inference_mode()
def test_with_beams_for_all_items_the_search_is_exhaustive_scoring(
    wide: Bundle, table: np.ndarray, lengths: list[int], k: int, seed: int, share: float
) -> None:
    """Order and score, over the same tiny causal model; equal but for the last bits of a float."""
    ids, mask = prompts(wide, lengths, seed)
    rng = np.random.default_rng(seed)
    alive = torch.from_numpy(rng.random((len(ids), len(table))) < share)
    tie = torch.from_numpy(rng.permutation(len(table)))
    trie = Trie.build(table, LARGEST)
    items, scores = beam_search(
        CausalScorer(wide.model, ids, mask), trie, 40, k=k, alive=alive, tie=tie
    )
    codes = torch.from_numpy(table).long()
    oracle, gained = exhaustive(
        lambda part: score_codes(wide.model, ids, mask, part), codes, k=k, alive=alive, tie=tie
    )
    assert torch.allclose(scores, gained, atol=CLOSE)
    # two items may change places only where their scores are equal within that
    full = torch.full((len(ids), len(table)), -torch.inf)
    full[:] = score_codes(wide.model, ids, mask, codes)
    for b, place in zip(*torch.nonzero(items != oracle, as_tuple=True), strict=True):
        there, here = full[b, oracle[b, place]], full[b, items[b, place]]
        assert float((there - here).abs()) < CLOSE


def test_histories_become_their_items_tokens() -> None:
    bundle = make_bundle(scratch(), ItemCodes(np.array([[0, 1], [1, 0]], np.int32), (2, 2), "x"))
    assert bundle.layout.items.tolist() == [[259, 262], [260, 261]]
