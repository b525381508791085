"""Options that save memory do not change what is learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import config, curve, train
from tiny_models import SHAPE, llama, make_bundle, save_llama, scratch

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.decoder import FeedForward
from p5rec.core.errors import UserError
from p5rec.models.multitask import MultitaskModel
from p5rec.train.optimizer import make_optimizer

WIDE = {"embedding_learning_rate": 0.02, "weight_decay": 0.1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("base"))


def weights(model: MultitaskModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", ["scratch", "scratch lora", "llama lora", "llama 4bit"])
def test_gradient_checkpointing_gives_the_same_weights(
    kind: str, base: Path, tmp_path: Path
) -> None:
    """With dropout: the recomputation uses the same masks."""
    if kind.startswith("scratch"):
        backbone = scratch(lora="lora" in kind, dropout=0.1)
    else:
        backbone = llama(base, lora=True, quantize="4bit" if "4bit" in kind else None)
    plain = train(backbone, config(steps=5), tmp_path / "plain")
    saving = train(backbone, config(steps=5, gradient_checkpointing=True), tmp_path / "saving")
    actual, expected = (curve(tmp_path / n, "loss", "grad_norm") for n in ("saving", "plain"))
    assert actual["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert actual["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-6)
    for name, value in weights(plain.model).items():
        torch.testing.assert_close(weights(saving.model)[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("enabled", "times"), [(False, 1), (True, 2)])
def test_a_checkpointed_block_is_computed_twice(
    enabled: bool, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, forward = [], FeedForward.forward
    monkeypatch.setattr(FeedForward, "forward", lambda *a: calls.append(1) or forward(*a))
    train(scratch(lora=True), config(steps=3, gradient_checkpointing=enabled), tmp_path)
    assert len(calls) == times * 3 * SHAPE["layers"]


def test_updates_too_small_for_bfloat16_are_not_lost(
    base: Path, tmp_path: Path, native_bfloat16: None
) -> None:
    """A model without adapters, with bfloat16 arithmetic and bfloat16 pretrained weights."""
    backbone = llama(base).model_copy(update={"dtype": "bfloat16"})
    settings = config(steps=4, learning_rate=1e-6, warmup=0, precision="bfloat16")
    name = "model.layers.0.mlp.up_proj.weight"
    before = make_bundle(backbone, std=0.0).model.causal.get_parameter(name)
    after = train(backbone, settings, tmp_path).model.causal.get_parameter(name)
    assert ((after - before) != 0).float().mean() > 0.9
    same = after.bfloat16() == before.bfloat16()
    assert same.float().mean() > 0.9  # so bfloat16 weights would not have changed


def backbone_of_8bit_size() -> BackboneConfig:
    """Its largest matrices have 4,096 entries, the minimum for 8-bit moments."""
    return scratch(dropout=0.1, feedforward=128)


def test_matrices_have_8bit_moments_and_embeddings_32bit_ones() -> None:
    model = make_bundle(backbone_of_8bit_size()).model
    embeddings = model.causal.get_output_embeddings()
    embeddings.new = torch.nn.Parameter(torch.randn(200, 32))
    model.causal.get_input_embeddings().new = embeddings.new
    optimizer = make_optimizer(model, config(optimizer="adamw-8bit", **WIDE))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0, 0.1]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.01, 0.02]
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    kinds = {n: optimizer.state[p]["state1"].dtype for n, p in model.named_parameters()}
    assert kinds["lm.gpt_neox.layers.0.mlp.dense_h_to_4h.weight"] == torch.uint8
    assert kinds["lm.gpt_neox.layers.0.mlp.dense_h_to_4h.bias"] == torch.float32
    assert kinds["lm.gpt_neox.embed_in.new"] == torch.float32
    assert kinds["item_embeddings"] == torch.float32


def test_8bit_moments_train_like_32bit_ones(tmp_path: Path) -> None:
    backbone, ends = backbone_of_8bit_size(), {}
    for name in ("adamw", "adamw-8bit"):
        settings = config(tasks={"rating": {}}, steps=60, optimizer=name)
        train(backbone, settings, tmp_path / name)
        loss = curve(tmp_path / name, "loss")["loss"]
        ends[name] = sum(loss[-10:]) / 10
        assert ends[name] < 0.7 * loss[0]
    assert ends["adamw-8bit"] == pytest.approx(ends["adamw"], rel=0.1)
    assert ends["adamw-8bit"] != ends["adamw"]


def test_8bit_moments_survive_a_stop(tmp_path: Path) -> None:
    backbone = backbone_of_8bit_size()
    settings = config(steps=8, optimizer="adamw-8bit", save_every=3, evaluate_every=1)
    uninterrupted = train(backbone, settings, tmp_path / "whole", dict)
    calls: list[int] = []

    def crash() -> dict[str, float]:
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError
        return {}

    with pytest.raises(RuntimeError):
        train(backbone, settings, tmp_path / "halted", crash)
    resumed = train(backbone, settings, tmp_path / "halted", dict)
    expected = weights(uninterrupted.model)
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed.model).items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_paged_moments_need_a_gpu() -> None:
    with pytest.raises(UserError, match="expected a GPU for paged moments, got none"):
        make_optimizer(make_bundle(scratch()).model, config(optimizer="paged-adamw-8bit"))
