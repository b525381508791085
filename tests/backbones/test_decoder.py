"""The compact decoder computes what GPT-NeoX computes in transformers, to the bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache, GPTNeoXConfig, GPTNeoXForCausalLM

from p5rec.backbones.attention import use_short_attention
from p5rec.backbones.decoder import Decoder
from p5rec.backbones.scratch import Scratch, build_scratch

WIDTH = 32
SIZES = {"width": WIDTH, "layers": 2, "heads": 4, "feedforward": 48, "dropout": 0.2}


@pytest.fixture
def ours() -> Decoder:
    decoder: Decoder = build_scratch(Scratch(**SIZES), seed=5)
    return decoder


@pytest.fixture
def theirs() -> GPTNeoXForCausalLM:
    """Initialised by transformers with the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=259, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=48, hidden_dropout=0.2, rotary_pct=1.0,
                use_parallel_residual=False, tie_word_embeddings=True, use_cache=False,
            )
        )  # fmt: skip


def embedded(batch: int = 3, length: int = 11) -> Tensor:
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(0))


def states(network: Any, **inputs: Any) -> Tensor:
    """Hidden states, with the same dropout in every call."""
    torch.manual_seed(1)
    result: Tensor = network.gpt_neox(**inputs).last_hidden_state
    return result


def gradients(network: nn.Module, hidden: Tensor) -> list[Tensor]:
    hidden.square().sum().backward()
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_initial_weights_and_their_names_are_the_same(
    ours: Decoder, theirs: GPTNeoXForCausalLM
) -> None:
    expected = theirs.state_dict()
    actual = ours.state_dict()
    assert list(actual) == list(expected)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight


@pytest.mark.parametrize("train", [True, False])
def test_states_and_gradients_are_the_same(
    ours: Decoder, theirs: GPTNeoXForCausalLM, train: bool
) -> None:
    actual = states(ours.train(train), inputs_embeds=embedded())
    expected = states(theirs.train(train), inputs_embeds=embedded())
    assert torch.equal(actual, expected)
    pairs = zip(gradients(ours, actual), gradients(theirs, expected), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_packed_sequences_do_not_attend_to_each_other(
    ours: Decoder, theirs: GPTNeoXForCausalLM
) -> None:
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3], [*range(11)], [0] * 11])
    inputs = {"inputs_embeds": embedded(), "position_ids": positions}
    assert torch.equal(states(ours.eval(), **inputs), states(theirs.eval(), **inputs))
    alone = states(ours, inputs_embeds=embedded()[:1, 4:7])
    assert torch.allclose(states(ours, **inputs)[:1, 4:7], alone, atol=1e-6)


@pytest.mark.parametrize("short", [False, True])
@torch.inference_mode()
def test_a_cache_continues_a_sequence(
    ours: Decoder, theirs: GPTNeoXForCausalLM, short: bool
) -> None:
    def steps(network: Any) -> list[Tensor]:
        cache = DynamicCache()
        pieces = embedded().split([5, 1, 3, 2], dim=1)
        tree = torch.ones(3, 1, 2, 11, dtype=torch.bool)
        tree[..., 0, 10] = tree[..., 1, 9] = False  # two beams after nine tokens
        mask = torch.where(tree, 0.0, torch.finfo(torch.float32).min)
        masks = [None, None, None, mask if short and network is theirs else tree]
        positions = [None, None, None, torch.full((3, 2), 9)]
        return [
            states(network, inputs_embeds=piece, attention_mask=mask, position_ids=position,
                   past_key_values=cache, use_cache=True)
            for piece, mask, position in zip(pieces, masks, positions, strict=True)
        ]  # fmt: skip

    for network in (ours.eval(), theirs.eval()):
        if short:
            use_short_attention(network)
    actual, expected = steps(ours), steps(theirs)
    assert all(torch.equal(one, two) for one, two in zip(actual, expected, strict=True))
    whole = states(ours, inputs_embeds=embedded()[:, :9])
    assert torch.allclose(torch.cat(actual[:3], dim=1), whole, atol=1e-6)


def test_checkpointed_blocks_give_the_same_gradients(ours: Decoder) -> None:
    saving = copy.deepcopy(ours)
    saving.gradient_checkpointing_enable({"use_reentrant": False})
    results = [states(network.train(), inputs_embeds=embedded()) for network in (ours, saving)]
    assert torch.equal(*results)
    pairs = zip(gradients(ours, results[0]), gradients(saving, results[1]), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


@torch.inference_mode()
def test_as_a_model_of_transformers_it_has_the_same_logits(ours: Decoder) -> None:
    plain = ours.eval().to_transformers()
    ids = torch.randint(0, 259, (2, 9), generator=torch.Generator().manual_seed(0))
    hidden = states(ours, inputs_embeds=ours.get_input_embeddings()(ids))
    assert torch.equal(plain(input_ids=ids).logits, ours.get_output_embeddings()(hidden))
    assert plain.get_output_embeddings().weight is plain.get_input_embeddings().weight
