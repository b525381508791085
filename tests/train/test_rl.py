"""GRPO over sampled items: the samples, and the loss compared with trl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from oracles import score_codes
from tiny_models import llama, make_bundle, save_llama, scratch, some_codes
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from p5rec.backbones.extend import ExtendedHead
from p5rec.models.bundle import Bundle
from p5rec.models.multitask import Batch
from p5rec.train.alignment.objectives import Grpo, grpo_loss
from p5rec.train.alignment.rewards import advantages
from p5rec.train.config import GroupConfig

HISTORY = np.array([[3, 5, 7, 9], [1, 2, 4, 6]])


def test_equal_rewards_give_no_gradient() -> None:
    logs = torch.randn(3, 4, 2, requires_grad=True)
    grpo_loss(logs, advantages(torch.full((3, 4), 0.7))).sum().backward()
    assert logs.grad is not None
    assert not logs.grad.any()


def test_the_gradient_is_the_advantage_over_the_group_size() -> None:
    logs = torch.randn(2, 3, 2, requires_grad=True)
    weights = torch.tensor([[1.0, 0, -1], [2, -1, -1]])
    losses = grpo_loss(logs, weights)
    assert torch.allclose(losses, -2 * weights.mean(1), atol=1e-6)
    losses.sum().backward()
    assert torch.allclose(logs.grad, -(weights / 3)[..., None].expand(-1, -1, 2))


def batch(bundle: Bundle, seed: int = 0) -> dict[str, Any]:
    """Histories with sampled items at their last three events."""
    tokens = torch.from_numpy(bundle.layout.items[HISTORY].reshape(2, 8))
    ids = torch.cat([torch.full((2, 1), bundle.bos), tokens], dim=1)
    labels = ids.clone()
    labels[:, :3] = -100
    sample_seeds = torch.zeros_like(ids)
    sample_seeds[:, 3::2] = 1 + 10_000 * seed + 1000 * torch.arange(6).view(2, 3)
    return {
        "input_ids": ids,
        "labels": labels,
        "weights": torch.ones(ids.shape),
        "sample_seeds": sample_seeds,
    }


class Spy(torch.nn.Module):
    """Wraps a model and records candidates."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.model, self.seen = bundle.model, None

    def forward(self, batch: Batch, count: Any) -> dict[str, Tensor]:
        self.seen = batch.candidates
        return self.model(batch, count)


def sampled_items(bundle: Bundle, data: dict[str, Any], group: int = 5) -> Tensor:
    spy = Spy(bundle)
    Grpo(GroupConfig(objective="grpo", group=group), bundle.model)(spy, dict(data), 12)
    assert spy.seen is not None
    return spy.seen


@pytest.mark.parametrize("kind", ["positions", "tokens"])
def test_sampled_items_exist_and_are_not_in_the_history(kind: str) -> None:
    bundle = make_bundle(scratch(items=kind), std=0.3)
    for seed in range(3):
        items = sampled_items(bundle, batch(bundle, seed), group=200)
        assert (items[:, [0, 1, 2, 4, 6, 8]] == -1).all()
        for sequence in range(2):
            for event in (1, 2, 3):
                actual = set(items[sequence, 1 + 2 * event].tolist())
                assert len(actual) > 1
                assert actual <= set(range(24)) - set(HISTORY[sequence, :event].tolist())


def test_a_history_with_every_item_leaves_none_to_sample() -> None:
    bundle = make_bundle(scratch(), some_codes(4, (2, 2)))
    tokens = torch.from_numpy(bundle.layout.items[[0, 1, 2, 3, 0]].reshape(1, 10))
    ids = torch.cat([torch.tensor([[bundle.bos]]), tokens], dim=1)
    sample_seeds = torch.zeros_like(ids)
    sample_seeds[:, 7], sample_seeds[:, 9] = 1, 2
    data = {
        "input_ids": ids,
        "labels": ids,
        "weights": torch.ones(ids.shape),
        "sample_seeds": sample_seeds,
    }
    items = sampled_items(bundle, data)[0]
    assert items[7].tolist() == [3] * 5
    assert (items[9] == -1).all()


def test_samples_depend_on_their_seeds_not_on_the_batch() -> None:
    bundle = make_bundle(scratch(), std=0.3)
    data = batch(bundle)
    both = sampled_items(bundle, data)
    assert torch.equal(both, sampled_items(bundle, data))
    alone = sampled_items(bundle, {k: v[1:] for k, v in data.items()})
    assert torch.equal(alone[0], both[1])
    assert not torch.equal(both, sampled_items(bundle, batch(bundle, seed=1)))


def test_items_are_sampled_with_the_model_s_probabilities() -> None:
    bundle = make_bundle(scratch(), std=0.3)
    start = torch.tensor([[bundle.bos]])
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    with torch.no_grad():
        scores = score_codes(bundle.model, start, torch.ones_like(start), catalogue)[0]
    data = batch(bundle)
    data["sample_seeds"] = torch.zeros_like(data["sample_seeds"])
    data["sample_seeds"][:, 1] = torch.tensor([5, 10_000])
    one, two = sampled_items(bundle, data, group=4000)[:, 1]
    reference = scores.softmax(0)
    assert 0.1 < reference.max() < 0.9
    for actual in (one, two):
        assert (actual.bincount(minlength=24) / 4000 - reference).abs().max() < 0.03
    assert not torch.equal(one, two)


@pytest.mark.parametrize("kind", ["positions", "tokens"])
def test_the_expected_reward_grows(kind: str) -> None:
    bundle = make_bundle(scratch(items=kind), std=0.3)
    objective = Grpo(GroupConfig(objective="grpo", group=12, rewards={"hit": 1.0}), bundle.model)
    optimizer = torch.optim.Adam(bundle.model.parameters(), lr=1e-3)

    def mean_probability() -> float:
        data = {k: v for k, v in batch(bundle).items() if k != "sample_seeds"}
        candidates = torch.full((2, 9, 1), -1)
        candidates[:, 3::2, 0] = torch.from_numpy(HISTORY[:, 1:])
        with torch.no_grad():
            out = bundle.model(Batch(**data, candidates=candidates))
        return float(out["candidate_logs"].sum(-1).exp().mean())

    before = mean_probability()
    for seed in range(40):
        out = objective(bundle.model, batch(bundle, seed), 6)
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
    assert mean_probability() > before + 0.2


def test_the_loss_and_its_gradient_are_those_of_trl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """trl's trainer supports a model with one token per code; the sampled items are the same."""
    monkeypatch.setattr(ExtendedHead, "bias", None, raising=False)  # for trl's fused head
    base = save_llama(tmp_path / "base")
    bundle = make_bundle(llama(base, items="tokens", normalisation="vocab"))
    model, causal = bundle.model.eval(), bundle.model.causal
    own = causal.forward
    arguments = GRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], num_generations=4,
        per_device_train_batch_size=8, gradient_checkpointing=False, max_completion_length=2,
        loss_type="grpo",
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=causal,
        args=arguments,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        processing_class=bundle.tokenizer,
    )
    items = torch.from_numpy(bundle.layout.items)
    ids, group = batch(bundle)["input_ids"], torch.tensor([[0, 1, 2, 4], [8, 10, 11, 12]])
    prompts = ids[:, :7].repeat_interleave(4, 0)
    group_advantages = advantages(torch.tensor([[1.0, 0, 0, -0.5], [0, 0.5, 0, 0]]))
    trainer.current_gradient_accumulation_steps = 1
    causal.eval()
    theirs = trainer._compute_loss(
        causal,
        {
            "prompt_ids": prompts,
            "prompt_mask": torch.ones_like(prompts),
            "completion_ids": items[group].flatten(0, 1),
            "completion_mask": torch.ones(8, 2, dtype=torch.int64),
            "advantages": group_advantages.flatten(),
        },
    )
    theirs.backward()
    reference = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    causal.forward = own
    candidates = torch.full((*ids.shape, 4), -1)
    candidates[:, 7] = group
    out = model(
        Batch(ids, torch.full_like(ids, -100), torch.ones(ids.shape), candidates=candidates)
    )
    ours = grpo_loss(out["candidate_logs"], group_advantages).sum() / 4  # 2 positions of 2 codes
    (ours + out["loss"]).backward()
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), abs=1e-6)
    for name, gradient in reference.items():
        assert torch.allclose(model.get_parameter(name).grad, gradient, atol=1e-6), name
    assert max(float(g.abs().max()) for g in reference.values()) > 0.1
