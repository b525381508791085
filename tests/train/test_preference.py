"""Softmax-DPO by hand, and as the objective of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch
from torch import Tensor
from torch.nn.functional import logsigmoid

from p5rec.models.bundle import Bundle
from p5rec.models.multitask import Batch
from p5rec.train.alignment.objectives import SoftmaxDpo, sdpo_loss
from p5rec.train.config import PreferenceConfig

NONE = -torch.inf


def test_the_loss_by_hand() -> None:
    chosen, rejected = torch.tensor([0.3]), torch.tensor([[0.1, -0.4, 0.7]])
    total = sum(math.exp(2 * (r - 0.3)) for r in (0.1, -0.4, 0.7))
    expected = -math.log(1 / (1 + math.exp(math.log(total))))
    assert float(sdpo_loss(chosen, rejected, 2.0)) == pytest.approx(expected, rel=1e-6)


def test_with_one_rejected_item_it_is_dpo() -> None:
    chosen, rejected = torch.randn(6), torch.randn(6)
    expected = -logsigmoid(0.5 * (chosen - rejected))
    assert torch.allclose(sdpo_loss(chosen, rejected[:, None], 0.5), expected, atol=1e-6)


def test_order_and_missing_items_have_no_influence() -> None:
    chosen, rejected = torch.randn(5), torch.randn(5, 4)
    one = sdpo_loss(chosen, rejected, 1.0)
    assert torch.allclose(one, sdpo_loss(chosen, rejected.flip(1), 1.0))
    padded = torch.cat([rejected, torch.full((5, 2), NONE)], dim=1).requires_grad_()
    loss = sdpo_loss(chosen, padded, 1.0)
    assert torch.allclose(one, loss)
    loss.sum().backward()
    assert padded.grad is not None
    assert padded.grad[:, 4:].tolist() == [[0, 0]] * 5
    assert (padded.grad[:, :4] > 0).all()


def test_the_gradient_scales_with_beta_and_is_largest_for_the_worst_items() -> None:
    ratios = torch.tensor([[0.0, 1.0, -1.0]], requires_grad=True)
    steepest = []
    for beta in (1.0, 1e-3, 1e-6):
        (grad,) = torch.autograd.grad(sdpo_loss(ratios[:, 0], ratios[:, 1:], beta).sum(), ratios)
        steepest.append(float(grad.abs().max()))
        assert float(grad.sum()) == pytest.approx(0, abs=1e-7)
    assert steepest[0] > 0.1
    assert steepest[2] < 1e-6 < steepest[1] < 1e-3
    (grad,) = torch.autograd.grad(sdpo_loss(ratios[:, 0], ratios[:, 1:], 1.0).sum(), ratios)
    assert grad[0, 1] > grad[0, 2] > 0 > grad[0, 0]


def batch(bundle: Bundle) -> dict[str, Any]:
    """Two histories of three items; two items of the first have rejected items."""
    items = np.array([[3, 5, 7], [1, 2, 4]])
    ids = torch.from_numpy(bundle.layout.items[items].reshape(2, 6))
    ids = torch.cat([torch.full((2, 1), bundle.bos), ids], dim=1)
    labels = ids.clone()
    labels[:, 0] = -100
    candidates = torch.full((2, 7, 3), -1)
    candidates[0, 3], candidates[0, 5] = torch.tensor([5, 8, 9]), torch.tensor([7, 11, -1])
    return {
        "input_ids": ids,
        "labels": labels,
        "weights": torch.tensor([[2.0], [1.0]]).expand_as(ids),
        "candidates": candidates,
        "reference": torch.zeros(2, 7, 3),
    }


def with_reference(bundle: Bundle, data: dict[str, Any]) -> Tensor:
    """The model's own log-probabilities of the candidates."""
    inputs = {k: v for k, v in data.items() if k != "reference"}
    with torch.no_grad():
        logs = bundle.model(Batch(**inputs))["candidate_logs"].sum(-1)
    out = torch.zeros(2, 7, 3)
    out[data["candidates"][..., 0] >= 0] = logs
    return out


@pytest.mark.parametrize("kind", ["positions", "tokens"])
def test_an_unchanged_model_has_log_ratios_of_zero(kind: str) -> None:
    bundle = make_bundle(scratch(items=kind))
    data = batch(bundle)
    data["reference"] = with_reference(bundle, data)
    data["weights"] = torch.tensor([[2.0], [0.0]]).expand_as(data["input_ids"])
    objective = SoftmaxDpo(PreferenceConfig(objective="sdpo", beta=0.7))
    out = objective(bundle.model, dict(data), 12)
    # log 3 for a target among three items, log 2 among two
    assert float(out["loss"].detach()) == pytest.approx(2 * math.log(6) / 12, rel=1e-4)
    assert float(out["chosen_log_ratio"]) == pytest.approx(0, abs=1e-5)


def test_nll_weighs_the_supervised_loss_of_aligned_sequences_only() -> None:
    bundle = make_bundle(scratch())
    data = batch(bundle)
    data["reference"] = with_reference(bundle, data)
    plain = {k: data[k] for k in ("input_ids", "labels")}
    nll_of = [
        float(
            bundle.model(
                Batch(**plain, weights=torch.eye(2)[b][:, None].expand_as(plain["labels"])), 12
            )["loss"].detach()
        )
        for b in (0, 1)
    ]
    actual = {}
    for nll in (0.0, 0.25):
        objective = SoftmaxDpo(PreferenceConfig(objective="sdpo", nll=nll))
        actual[nll] = float(objective(bundle.model, dict(data), 12)["loss"].detach())
    assert actual[0.0] == pytest.approx(2 * math.log(6) / 12 + nll_of[1], rel=1e-4)
    assert actual[0.25] - actual[0.0] == pytest.approx(0.25 * 2 * nll_of[0], rel=1e-4)


def test_training_on_the_loss_raises_the_target() -> None:
    bundle = make_bundle(scratch())
    data = batch(bundle)
    data["reference"] = with_reference(bundle, data)
    objective = SoftmaxDpo(PreferenceConfig(objective="sdpo"))
    optimizer = torch.optim.Adam(bundle.model.parameters(), lr=1e-3)
    data["weights"] = torch.tensor([[1.0], [0.0]]).expand_as(data["input_ids"])
    for _ in range(15):
        out = objective(bundle.model, dict(data), 1)
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
    assert float(out["preferred"]) == 1
    assert float(out["preference_loss"]) < 0.5 * math.log(6) / 2
