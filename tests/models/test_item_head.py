"""The item head: its loss, and beam search with item scores and codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracles import score_codes
from test_scorer import SIZES, prompts
from tiny_models import llama, make_bundle, save_llama, save_t5, scratch, some_codes
from torch import Tensor
from torch.nn.functional import cross_entropy

from p5rec.decode.beam import beam_search
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.models.multitask import Batch
from p5rec.models.scorer import code_scorer, prompt_reader

KINDS = ["scratch positions", "scratch tokens", "llama lora positions", "t5 lora positions"]


@pytest.fixture(scope="module", params=KINDS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    kind, *_, items = request.param.split()
    folder = tmp_path_factory.mktemp("model")
    if kind == "scratch":
        backbone = scratch(items=items)
    else:
        backbone = llama({"llama": save_llama, "t5": save_t5}[kind](folder), lora=True, items=items)
    return make_bundle(backbone, some_codes(20, SIZES), item_head=ItemHeadConfig()).ready()


def read(bundle: Bundle, ids: Tensor, mask: Tensor, before: Tensor | None = None) -> Tensor:
    """``(B, D)``: the states after prompts, one pass each, without a cache.

    Args:
        before: ``(1, S)`` the encoder's input; None: the encoder reads the prompts, and the decoder
            its start token.
    """
    model, actual = bundle.model, []
    for row, real in zip(ids, mask.bool(), strict=True):
        item_loss, inputs = row[real][None], {}
        if model.seq2seq:
            encoder_input = item_loss if before is None else before
            item_loss = torch.full((1, 1), model.start) if before is None else item_loss
            inputs["encoded"], inputs["real"] = model.encode(
                encoder_input, torch.ones_like(encoder_input)
            )
        embedded, _ = model.embed(item_loss)
        actual.append(model.states(**inputs, inputs_embeds=embedded)[0, -1])
    return torch.stack(actual)


@torch.inference_mode()
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_search_ranks_by_the_sum_of_both(bundle: Bundle, weight: float) -> None:
    ids, mask = prompts(bundle, [9, 1, 14])
    model = bundle.model
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    items = model.item_logs(read(bundle, ids, mask))
    assert torch.allclose(items.exp().sum(1), torch.ones(3), atol=1e-5)
    expected = score_codes(model, ids, mask, codes) + weight * items
    scorer = code_scorer(model, prompt_reader(model, ids, mask), weight)
    ranks = model.trie.subtree_min(torch.arange(20))
    actual, scores = beam_search(scorer, model.trie, 36, k=20, ranks=ranks)
    assert torch.allclose(scores, expected.gather(1, actual), atol=5e-5)
    assert torch.allclose(scores, expected.sort(1, descending=True).values, atol=5e-5)


def test_the_loss_is_that_of_a_softmax_over_the_catalogue(bundle: Bundle) -> None:
    model, layout = bundle.model, bundle.layout
    items, encoder_input = [3, 7, 1, 0], torch.arange(5, 12)[None] if model.seq2seq else None
    tokens = torch.from_numpy(layout.items[items]).reshape(1, -1)
    opening = model.start if model.seq2seq else bundle.bos
    ids = torch.cat([torch.tensor([[opening]]), tokens], dim=1)
    labels = ids.clone()
    labels[0, 0] = -100
    labels[0, 1 : 1 + layout.codes.levels] = -100  # the first item is no target
    weights = torch.full(ids.shape, 0.5)

    def loss(weight: float) -> tuple[float, float]:
        model.item_head.config = ItemHeadConfig(weight=weight)
        with torch.no_grad():
            actual = model(Batch(ids, labels, weights, source=encoder_input), 9)
        return float(actual["loss"]), float(actual["item_loss"])

    (none, _), (with_head, item_loss) = loss(1e-9), loss(1.0)
    with torch.inference_mode():
        ends = [1 + n * layout.codes.levels for n in (1, 2, 3)]
        states = torch.cat(
            [read(bundle, ids[:, :end], torch.ones(1, end), encoder_input) for end in ends]
        )
        logs = model.item_logs(states)
    each = 0.5 * cross_entropy(logs, torch.tensor(items[1:]), reduction="none")
    assert with_head - none == pytest.approx(float(each.sum()) / 9, rel=0.02)  # scores in bfloat16
    assert item_loss == pytest.approx(float(each.mean()), rel=0.02)


def test_a_model_can_be_trained_after_inference() -> None:
    """Cached tensors of the trie allow gradients after a call in inference mode."""
    model = make_bundle(scratch(), some_codes(20, SIZES), item_head=ItemHeadConfig()).model
    with torch.inference_mode():
        model.item_vectors()
    model.item_vectors().square().sum().backward()
    assert model.code_embeddings(0).requires_grad


def test_the_item_head_is_saved(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(20, SIZES), item_head=ItemHeadConfig(weight=0.5))
    assert bundle.model.item_head is not None
    bundle.model.item_head.norm.weight.data.mul_(2)
    save_bundle(bundle, tmp_path)
    again = load_bundle(tmp_path)
    assert again.model.item_head is not None
    assert again.model.item_head.config.weight == 0.5
    assert torch.equal(again.model.item_head.norm.weight, bundle.model.item_head.norm.weight)


def test_a_model_without_an_item_head_is_an_error() -> None:
    bundle = make_bundle(scratch(), some_codes(20, SIZES))
    with pytest.raises(ValueError, match="expected a model with an item head"):
        bundle.model.item_logs(torch.zeros(1, 32))
