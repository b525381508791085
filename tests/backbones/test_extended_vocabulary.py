"""Trainable embeddings of new tokens beside a frozen matrix."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

from p5rec.backbones.extend import extend_vocabulary
from p5rec.backbones.scratch import Scratch, build_scratch

SIZES = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "dropout": 0.0}


def tied() -> GPTNeoXForCausalLM:
    return build_scratch(Scratch(**SIZES), seed=1).to_transformers()


def untied() -> LlamaForCausalLM:
    torch.manual_seed(1)
    shape = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    return LlamaForCausalLM(shape).eval()


@pytest.mark.parametrize("make", [tied, untied])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_existing_embeddings_and_logits_are_unchanged(make, dtype: torch.dtype) -> None:
    model = make().to(dtype)
    before = copy.deepcopy(model)
    size = model.config.vocab_size
    ids = torch.randint(0, size, (3, 9))
    extended = extend_vocabulary(model, 7, seed=0)
    assert extended.config.vocab_size == size + 7
    after, expected = extended(input_ids=ids).logits, before(input_ids=ids).logits
    assert after.shape == (3, 9, size + 7)
    assert torch.equal(after[..., :size], expected)
    for here, there in (
        (extended.get_input_embeddings(), before.get_input_embeddings()),
        (extended.get_output_embeddings(), before.get_output_embeddings()),
    ):
        assert torch.equal(here.old.weight, there.weight)
        assert here.weight.shape == (size + 7, 16)
        assert torch.equal(here.weight[:size], there.weight)


@pytest.mark.parametrize("make", [tied, untied])
def test_a_new_token_has_its_own_embedding_for_input_and_output(make) -> None:
    model = extend_vocabulary(make(), 4, seed=0)
    first = model.config.vocab_size - 4
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    ids = torch.tensor([[first + 2, 5, first]])
    actual = embedding(ids)[0]
    assert torch.equal(actual[0], embedding.new[2])
    assert torch.equal(actual[1], embedding.old.weight[5])
    assert torch.equal(actual[2], embedding.new[0])
    assert torch.equal(embedding.weight[ids[0]], actual)
    hidden = torch.randn(2, 16)
    assert torch.allclose(head(hidden), hidden @ head.weight.T, atol=1e-6)


def test_new_embeddings_are_tied_like_the_existing_ones() -> None:
    shared, apart = extend_vocabulary(tied(), 4, seed=0), extend_vocabulary(untied(), 4, seed=0)
    assert shared.get_input_embeddings().new is shared.get_output_embeddings().new
    embeddings = [apart.get_input_embeddings().new, apart.get_output_embeddings().new]
    assert embeddings[0] is not embeddings[1]
    assert torch.equal(*embeddings)


@pytest.mark.parametrize("make", [tied, untied])
def test_gradients_reach_every_used_new_embedding(make) -> None:
    model = extend_vocabulary(make(), 4, seed=0)
    first = model.config.vocab_size - 4
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    embeddings = model.get_input_embeddings().new.requires_grad_(True)
    model(input_ids=torch.tensor([[3, first + 1, 5]])).logits[0, -1, 7].backward()
    assert (embeddings.grad.abs().sum(1) > 0).tolist() == [False, True, False, False]
    assert model.get_input_embeddings().old.weight.grad is None


def test_new_embeddings_depend_on_the_seed_and_are_float32_near_the_mean() -> None:
    one, same, other = (
        extend_vocabulary(tied().to(torch.bfloat16), 50, seed=s).get_input_embeddings()
        for s in (0, 0, 1)
    )
    assert one.new.dtype == torch.float32
    assert torch.equal(one.new, same.new)
    assert not torch.equal(one.new, other.new)
    old = one.old.weight.detach().float()
    assert torch.allclose(one.new.detach().mean(0), old.mean(0), atol=0.1 * float(old.std()))
    assert one.new.std(0).mean() < 0.3 * old.std(0).mean()
