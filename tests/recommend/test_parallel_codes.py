"""Items as sums of parallel codes: sums and their gradients, and models without item parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch
from torch.nn.functional import normalize

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Histories
from p5rec.decode.allowed import Allowed
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle, save_bundle, trainable_state
from p5rec.models.code_sums import Members, code_sums
from p5rec.models.config import ItemHeadConfig
from p5rec.models.multitask import Batch
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender

ITEMS, LEVELS, SIZE = 30, 16, 4
BY_CODES = DecodeConfig(k=8, search="item-head")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    codes = np.random.default_rng(3).integers(0, SIZE, (ITEMS, LEVELS)).astype(np.int32)
    parallel = ItemCodes(codes, (SIZE,) * LEVELS, "opq")
    backbone = scratch(item_embeddings=False)
    return make_bundle(backbone, parallel, item_head=ItemHeadConfig(codes=0)).ready()


@pytest.mark.parametrize("known", [True, False])
def test_sums_and_gradients_are_those_of_plain_indexing(known: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 12, (40, 5), generator=generator)  # a code may occur twice in an item
    first = torch.randn(13, 6, generator=generator).requires_grad_()  # code 12 has no item
    second = first.detach().clone().requires_grad_()
    weights = torch.randn(40, 6, generator=generator)
    sums = code_sums(first, codes, Members.of(codes, 13) if known else None)
    expected = second[codes].sum(1)
    assert torch.allclose(sums, expected, atol=1e-6)
    (sums * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(first.grad, second.grad, atol=1e-5)
    assert not first.grad[12].any()


def test_no_parameter_belongs_to_an_item(bundle: Bundle) -> None:
    model = bundle.model
    assert model.code_head is None
    assert model.item_embeddings is None
    words = len(model.causal.get_input_embeddings().old.weight)
    assert model.tokens == words + LEVELS * SIZE
    assert ITEMS not in {size for p in model.parameters() for size in p.shape}


@torch.inference_mode()
def test_an_item_scores_the_sum_of_its_code_logits(bundle: Bundle) -> None:
    model, state = bundle.model, torch.randn(3, bundle.model.traits.width)
    by_level = torch.stack(
        [
            model.code_embeddings(level)[torch.from_numpy(bundle.layout.codes.codes[:, level])]
            for level in range(LEVELS)
        ]
    )  # (L, N, D)
    logits = torch.einsum("bd,lnd->bn", model.item_head(state), by_level)
    expected = (logits / by_level.sum(0).norm(dim=1)).log_softmax(-1)
    assert torch.allclose(model.item_logs(state), expected, atol=1e-4)


@torch.inference_mode()
def test_a_history_is_read_one_position_an_item(bundle: Bundle) -> None:
    items = np.array([4, 11, 4, 29])
    tokens = torch.from_numpy(bundle.layout.items[items].reshape(1, -1))
    opening = torch.cat([torch.tensor([[bundle.bos]]), tokens], dim=1)
    embedded, at = bundle.model.embed(opening)
    assert embedded.shape[:2] == (1, 5)
    assert at.real.all()
    assert torch.allclose(embedded[0, 1:], bundle.model.item_vectors()[items], atol=1e-5)


def batch(bundle: Bundle) -> Batch:
    items = np.array([[3, 7, 1, 0], [5, 5, 2, 28]])
    ids = torch.from_numpy(bundle.layout.items[items].reshape(2, -1))
    labels = ids.clone()
    labels[:, :LEVELS] = -100
    return Batch(ids, labels, torch.ones(ids.shape))


def test_the_loss_is_that_of_the_item_softmax_alone(bundle: Bundle) -> None:
    model, given = bundle.model, batch(bundle)
    out = model(given, 6)
    assert out["code_loss"].isnan()
    assert not len(out["level_losses"])
    assert out["loss"].item() == pytest.approx(out["item_loss"].item(), rel=1e-5)
    hidden = model.states(inputs_embeds=model.embed(given.input_ids)[0])[:, :-1]
    wanted = torch.tensor([[7, 1, 0], [5, 2, 28]])
    logs = model.item_logs(hidden.flatten(0, 1)).gather(1, wanted.reshape(-1, 1))
    assert out["loss"].item() == pytest.approx(-logs.mean().item(), rel=0.02)  # in bfloat16


def test_padding_takes_no_positions(bundle: Bundle) -> None:
    """Short histories beside a long one are read at the length of the long one, in items."""
    model, given, read = bundle.model, batch(bundle), []
    longer = torch.cat([given.input_ids, torch.zeros(2, 5 * LEVELS, dtype=torch.int64)], dim=1)
    labels = torch.cat([given.labels, torch.full((2, 5 * LEVELS), -100)], dim=1)
    mask = torch.arange(longer.shape[1]).expand(2, -1) < given.input_ids.shape[1]
    handle = model.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    padded = model(Batch(longer, labels, torch.ones(longer.shape), mask=mask), 6)["loss"]
    handle.remove()
    assert read == [4]
    assert padded.item() == pytest.approx(model(given, 6)["loss"].item(), rel=1e-5)


def test_every_trained_weight_has_a_gradient(bundle: Bundle) -> None:
    model = bundle.model
    model.zero_grad()
    model(batch(bundle), 6)["loss"].backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    first = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    model(batch(bundle), 6)["loss"].backward()
    again = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(map(torch.equal, first, again))


def test_initial_sums_have_the_scale_of_item_embeddings(bundle: Bundle) -> None:
    state = {name: tensor.clone() for name, tensor in bundle.model.state_dict().items()}
    bundle.model.init_code_embeddings()
    vectors = bundle.model.item_vectors().detach()
    bundle.model.load_state_dict(state)
    assert float(vectors.std()) == pytest.approx(bundle.model.item_head.config.init_std, rel=0.2)
    cosines = normalize(vectors, dim=1) @ normalize(vectors, dim=1).T
    assert float((cosines - torch.eye(ITEMS)).abs().mean()) < 0.3


def test_lists_leave_out_denied_items_and_survive_saving(
    bundle: Bundle, make_requests, tmp_path: Path
) -> None:
    histories: Histories = make_requests([[3, 9], [], [1] * 7])
    allowed = Allowed(candidates=np.arange(ITEMS) % 3 != 0)
    lists = GenerativeRecommender(bundle, BY_CODES).recommend(histories, 8, allowed=allowed)
    assert (lists.items % 3 != 0).all()
    save_bundle(bundle, tmp_path)
    loaded = load_bundle(tmp_path).ready()
    assert set(trainable_state(loaded.model)) == set(trainable_state(bundle.model))
    again = GenerativeRecommender(loaded, BY_CODES).recommend(histories, 8, allowed=allowed)
    assert np.array_equal(lists.items, again.items)
    assert np.array_equal(lists.scores, again.scores)
