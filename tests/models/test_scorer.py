"""The cached scorer against teacher forcing, and beam search against both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import exhaustive, score_codes
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch, some_codes
from torch import Tensor

from p5rec.backbones.load import Backbone
from p5rec.backbones.scratch import byte_vocabulary
from p5rec.core.item_codes import ItemCodes
from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.models import items
from p5rec.models.bundle import Bundle
from p5rec.models.inputs import pad
from p5rec.models.multitask import MultitaskModel
from p5rec.models.scorer import CodeScorer, code_scorer, prompt_reader

SIZES = (4, 3, 3)
CLOSE = 2e-5


KINDS = [
    "scratch positions",
    "scratch tokens",
    "llama positions",
    "llama tokens",
    "llama eager tokens",
    "llama lora positions",
    "llama lora tokens",
    "gpt2 lora positions",
    "gpt2 lora tokens",
    "new-t5 positions",
    "new-t5 tokens",
    "t5 lora positions",
    "t5 lora tokens",
]
SAVE = {"llama": save_llama, "gpt2": save_gpt2, "t5": save_t5}


def make(kind: str, folder: Path) -> Bundle:
    codes, words = some_codes(20, SIZES), kind.split()
    if words[0] in ("scratch", "new-t5"):
        shape = "decoder" if words[0] == "scratch" else "t5"
        return make_bundle(scratch(items=words[-1], shape=shape), codes).ready()
    config = llama(SAVE[words[0]](folder), lora="lora" in words, items=words[-1])
    made = make_bundle(config, codes).ready()
    if "eager" in words:
        made.model.causal.set_attn_implementation("eager")
    return made


@pytest.fixture(scope="module", params=KINDS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make(request.param, tmp_path_factory.mktemp("llama"))


def prompts(bundle: Bundle, lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Padded prompts of words, items and single codes, of at least these lengths."""
    rng = np.random.default_rng(seed)
    items = bundle.layout.items
    top = bundle.layout.first + sum(bundle.layout.codes.sizes)
    sequences = []
    for n in lengths:
        pieces: list[np.ndarray] = []
        while sum(map(len, pieces)) < n:
            stray = rng.integers(3, top, 1 if n == 1 else int(rng.integers(1, 3)))
            pieces.append(stray if rng.random() < 0.5 else items[rng.integers(len(items))])
        sequences.append(np.concatenate(pieces))
    return pad(sequences, bundle.tokenizer.pad_token_id)


def scorer_of(bundle: Bundle, ids: Tensor, mask: Tensor) -> CodeScorer:
    return code_scorer(bundle.model, prompt_reader(bundle.model, ids, mask))


def oracle(bundle: Bundle, ids: Tensor, mask: Tensor) -> Tensor:
    """``(B, N)``: every item's score by plain teacher forcing."""
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    return score_codes(bundle.model, ids, mask, codes)


def by_steps(bundle: Bundle, ids: Tensor, mask: Tensor, shuffle: int) -> Tensor:
    """Scores ``(B, N)`` of all items by start and step, one beam per item.

    Beams are shuffled at each step, so that a beam's parent has another index.
    """
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    scorer = scorer_of(bundle, ids, mask)
    logs = scorer.start()
    total = logs[:, codes[:, 0]]
    beams, batch = len(codes), len(ids)
    generator = torch.Generator().manual_seed(shuffle)
    order = torch.arange(beams)
    for level in range(1, codes.shape[1]):
        shuffled = torch.randperm(beams, generator=generator)
        parents = torch.zeros(beams, dtype=torch.int64) if level == 1 else order.argsort()[shuffled]
        logs = scorer.step(codes[shuffled, level - 1].expand(batch, -1), parents.expand(batch, -1))
        order = shuffled
        steps_back = shuffled.argsort()
        total = total + logs[:, steps_back, codes[:, level]]
    return total


@torch.inference_mode()
@pytest.mark.parametrize("shuffle", [0, 1])
def test_cached_steps_equal_teacher_forcing(bundle: Bundle, shuffle: int) -> None:
    ids, mask = prompts(bundle, [9, 1, 30, 4])
    actual, expected = by_steps(bundle, ids, mask, shuffle), oracle(bundle, ids, mask)
    assert torch.allclose(actual, expected, atol=CLOSE)
    assert float(expected.std(1).min()) > 0.1  # scores differ between items
    assert torch.allclose(
        expected.exp().sum(1), torch.ones(4), atol=1e-5
    )  # and the probabilities sum to 1


@torch.inference_mode()
@pytest.mark.parametrize("normalisation", ["items", "level", "vocab"])
def test_steps_equal_the_full_model_s_logits(normalisation: str, tmp_path: Path) -> None:
    """By hand: logits of the full head, normalised over the codes that the softmax includes."""
    config = llama(save_llama(tmp_path), items="tokens", normalisation=normalisation)
    bundle = make_bundle(config, some_codes(20, SIZES)).ready()
    ids, mask = prompts(bundle, [7])
    codes, expected = bundle.layout.codes.codes.tolist(), []
    for row, tokens in zip(codes, torch.from_numpy(bundle.layout.items), strict=True):
        logits = bundle.model.causal(input_ids=torch.cat([ids[0], tokens])[None]).logits[0]
        score = 0.0
        for level, start in enumerate(bundle.model.starts):
            may_follow = sorted({c[level] for c in codes if c[:level] == row[:level]})
            among = {
                "items": [start + c for c in may_follow],
                "level": [start + c for c in range(SIZES[level])],
                "vocab": list(range(logits.shape[1])),
            }[normalisation]
            logs = logits[ids.shape[1] - 1 + level, among].log_softmax(0)
            score += float(logs[among.index(start + row[level])])
        expected.append(score)
    actual = by_steps(bundle, ids, mask, 0)
    assert torch.allclose(actual[0], torch.tensor(expected), atol=CLOSE)
    if normalisation == "items":
        assert torch.allclose(oracle(bundle, ids, mask)[0], torch.tensor(expected), atol=CLOSE)


@torch.inference_mode()
def test_scores_do_not_depend_on_other_requests(bundle: Bundle) -> None:
    ids, mask = prompts(bundle, [5, 40, 12])
    together = by_steps(bundle, ids, mask, 0)
    for b in range(3):
        own = ids[b][mask[b].bool()][None]
        alone = by_steps(bundle, own, torch.ones_like(own), 0)
        assert torch.allclose(alone[0], together[b], atol=CLOSE)


@torch.inference_mode()
def test_a_scorer_can_be_restarted(bundle: Bundle) -> None:
    ids, mask = prompts(bundle, [5, 8])
    scorer, tie = scorer_of(bundle, ids, mask), torch.arange(20)
    ranks = bundle.model.trie.subtree_min(tie)
    first, again = (beam_search(scorer, bundle.model.trie, 6, k=5, ranks=ranks) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


LARGEST = (4, 3, 3)


@pytest.fixture(scope="module", params=["item embeddings", "positions", "tokens"])
def over(request: pytest.FixtureRequest) -> Callable[[np.ndarray], MultitaskModel]:
    """A model over any set of codes, all with the same language model."""
    wide = make_bundle(scratch(), some_codes(36, LARGEST)).ready().model
    backbone = Backbone(wide.lm, byte_vocabulary(), wide.first)

    def make(table: np.ndarray) -> MultitaskModel:
        torch.manual_seed(0)
        config = scratch(
            items="tokens" if request.param == "tokens" else "positions",
            item_embeddings=request.param == "item embeddings",
        )
        codes = ItemCodes(table, LARGEST, "random")
        model = MultitaskModel(backbone, codes, config).eval()
        if model.item_embeddings is not None:
            torch.nn.init.normal_(model.item_embeddings)
        return model

    return make


@st.composite
def code_sets(draw: st.DrawFn) -> np.ndarray:
    """Any non-empty set of codes, in any order."""
    every = np.stack(np.unravel_index(np.arange(36), LARGEST), axis=1)
    chosen = draw(st.lists(st.sampled_from(range(36)), min_size=1, max_size=36, unique=True))
    return every[chosen].astype(np.int32)


@given(
    table=code_sets(),
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=3),
    k=st.integers(1, 40),
    seed=st.integers(0, 1000),
    allowed_share=st.sampled_from([0.3, 1.0]),
)
@torch.inference_mode()
def test_with_beams_for_all_items_the_search_is_exhaustive_scoring(
    over: Callable[[np.ndarray], MultitaskModel],
    table: np.ndarray,
    lengths: list[int],
    k: int,
    seed: int,
    allowed_share: float,
) -> None:
    """Order and scores with the same tiny causal model, equal up to rounding."""
    model = over(table)
    sequences = [np.random.default_rng([seed, n]).integers(3, model.first + 10, n) for n in lengths]
    ids, mask = pad(sequences, 0)
    rng = np.random.default_rng(seed)
    alive = torch.from_numpy(rng.random((len(ids), len(table))) < allowed_share)
    tie = torch.from_numpy(rng.permutation(len(table)))
    items, scores = beam_search(
        code_scorer(model, prompt_reader(model, ids, mask)),
        model.trie,
        40,
        k=k,
        ranks=model.trie.subtree_min(tie),
        open_nodes=OpenNodes(
            model.trie,
            Allowed(deny=ItemLists.joined([np.flatnonzero(~row) for row in alive.numpy()])),
        ),
    )
    full = score_codes(model, ids, mask, torch.from_numpy(table).long())
    expected, gained = exhaustive(
        lambda chunk: full[:, chunk[:, 0]], torch.arange(len(table))[:, None],
        k=k, alive=alive, tie=tie,
    )  # fmt: skip
    assert torch.allclose(scores, gained, atol=CLOSE)
    # only items with scores equal within that may have other ranks
    for b, rank in zip(*torch.nonzero(items != expected, as_tuple=True), strict=True):
        there, here = full[b, expected[b, rank]], full[b, items[b, rank]]
        assert float((there - here).abs()) < CLOSE


def test_histories_become_their_items_tokens() -> None:
    bundle = make_bundle(scratch(), ItemCodes(np.array([[0, 1], [1, 0]], np.int32), (2, 2), "x"))
    assert bundle.layout.items.tolist() == [[259, 262], [260, 261]]


@torch.inference_mode()
def test_gathered_item_embeddings_give_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(scratch(), some_codes(20, SIZES)).ready()
    ids, mask = prompts(bundle, [9, 4])
    both = []
    for few in (0, 10**9):
        monkeypatch.setattr(items, "FEW", few)
        both.append(by_steps(bundle, ids, mask, 0))
    assert torch.allclose(both[0], both[1], atol=CLOSE)
