"""A bank of adapters equals merged weights, and without weights the network without adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import save_gpt2, save_llama
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from p5rec.backbones.adapter_bank import (
    DOWN,
    UP,
    Level,
    adapter_state,
    add_bank,
    check_mixable,
    scale_of,
    stacked,
)
from p5rec.backbones.config import LoraSettings
from p5rec.backbones.load import load_backbone
from p5rec.backbones.pretrained import Pretrained
from p5rec.core.errors import UserError

pytestmark = pytest.mark.system("apa")
LORA = LoraSettings(rank=3, alpha=5)


def backbone(folder: Path, lora: LoraSettings | None) -> Any:
    config = Pretrained(name=str(folder), lora=lora, dtype="float32", item_embeddings=False)
    return load_backbone(config, (), 0)


def random_adapters(folder: Path, count: int) -> list[dict[str, Tensor]]:
    states = []
    for n in range(count):
        adapted = backbone(folder, LORA).model
        generator = torch.Generator().manual_seed(n)
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_" in name:
                    weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        states.append(adapter_state(adapted))
    return states


def merged(folder: Path, states: list[dict[str, Tensor]], mix: Tensor, level: Level) -> Any:
    """The network with a merged matrix in each layer, by peft's formula for one adapter."""
    network = backbone(folder, None).causal
    for layer in {name.removesuffix(DOWN) for name in states[0] if name.endswith(DOWN)}:
        pairs = [(each[layer + UP], each[layer + DOWN]) for each in states]
        if level == "products":
            delta = sum(w * up @ down for w, (up, down) in zip(mix, pairs, strict=True))
        else:
            ups, downs = (
                sum(w * each for w, each in zip(mix, side, strict=True))
                for side in zip(*pairs, strict=True)
            )
            delta = ups @ downs
        base = network.get_submodule(layer)
        assert isinstance(delta, Tensor)
        base.weight.data += scale_of(LORA) * (delta.T if isinstance(base, Conv1D) else delta)
    return network


def logits(network: Any, ids: Tensor) -> Tensor:
    with torch.no_grad():
        hidden = network.get_decoder()(input_ids=ids).last_hidden_state
        found: Tensor = network.get_output_embeddings()(hidden)
    return found


@pytest.fixture(scope="module", params=[save_llama, save_gpt2], ids=["llama", "gpt2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved: Path = request.param(tmp_path_factory.mktemp("model"))
    return saved


@pytest.mark.parametrize("level", ["products", "factors"])
def test_a_mixed_pass_equals_merged_weights(folder: Path, level: Level) -> None:
    states = random_adapters(folder, 3)
    network = backbone(folder, None).causal
    bank = add_bank(network, stacked([*states]), scale_of(LORA))
    ids = torch.arange(24).view(3, 8) + 5
    weights = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.1, 0.9]])
    with bank.mixed(weights, level):
        mixed = logits(network, ids)
    for row in range(3):
        wanted = logits(merged(folder, states, weights[row], level), ids[row : row + 1])
        assert (mixed[row] - wanted[0]).abs().max() < 1e-5 * max(1, wanted.abs().max())


def test_a_weight_of_one_is_the_adapter_in_peft(folder: Path) -> None:
    states, adapted = random_adapters(folder, 2), backbone(folder, LORA)
    for layer, module in adapted.causal.named_modules():
        if layer + DOWN in states[1]:
            module.lora_A["default"].weight.data.copy_(states[1][layer + DOWN])
            module.lora_B["default"].weight.data.copy_(states[1][layer + UP])
    network, ids = backbone(folder, None).causal, torch.arange(6)[None] + 5
    bank = add_bank(network, stacked([*states]), scale_of(LORA))
    plain = logits(network, ids)
    for level in ("products", "factors"):
        with bank.mixed(torch.tensor([[0.0, 1.0]]), level):
            assert torch.allclose(logits(network, ids), logits(adapted.causal, ids), atol=1e-5)
    assert torch.equal(logits(network, ids), plain)  # the weights are gone
    assert torch.equal(plain, logits(backbone(folder, None).causal, ids))


def test_bad_banks_are_refused(folder: Path) -> None:
    states: list[Mapping[str, Tensor]] = [*random_adapters(folder, 2)]
    fewer = dict(list(states[1].items())[:2])
    with pytest.raises(ValueError, match="same layers"):
        stacked([states[0], fewer])
    bank = add_bank(backbone(folder, None).causal, stacked(states), 1.0)
    with pytest.raises(ValueError, match="2 adapters"), bank.mixed(torch.ones(1, 3)):
        pass
    for lora in (None, LoraSettings(dora=True)):
        with pytest.raises(UserError, match=r"backbone\.lora: expected low-rank adapters"):
            check_mixable(lora)
