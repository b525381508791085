"""The catalogue softmax: equal to PyTorch's for all items, unbiased for sampled ones."""

import pytest
import torch
from torch.nn import functional as F

from p5rec.models import catalogue
from p5rec.models.catalogue import catalogue_loss


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(30, 6, generator=generator).requires_grad_()
    table = torch.randn(20, 6, generator=generator).requires_grad_()
    return states, table, torch.randint(0, 20, (30,), generator=generator)


def gradients(loss, *of):
    return torch.autograd.grad(3 * loss, of)


@pytest.mark.parametrize("sampled", [None, "all"])
def test_without_sampling_the_loss_is_the_full_softmax(tensors, sampled, monkeypatch):
    monkeypatch.setattr(catalogue, "CELLS", 150)  # several blocks, the last one shorter
    states, table, targets = tensors
    order = None if sampled is None else torch.randperm(20)
    loss = catalogue_loss(states, table, targets, order)
    expected = F.cross_entropy(states @ table.T, targets)
    torch.testing.assert_close(loss, expected)
    ours, theirs = gradients(loss, states, table), gradients(expected, states, table)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_sampled_negatives_give_an_unbiased_sum(tensors):
    """The mean of the sampled sums is the sum over all items."""
    states, table, targets = (each.detach() for each in tensors)
    target_scores = (states * table[targets]).sum(1)
    odds = (states @ table.T - target_scores[:, None]).exp().sum(1) - 1
    generator = torch.Generator().manual_seed(1)
    actual = torch.stack(
        [
            torch.expm1(catalogue_loss(states[:1], table, targets[:1], sampled))
            for sampled in (torch.randperm(20, generator=generator)[:5] for _ in range(1000))
        ]
    )
    assert actual.mean() == pytest.approx(float(odds[0]), rel=0.1)


def test_items_neither_sampled_nor_targets_have_no_gradient(tensors):
    states, table, targets = tensors
    sampled = torch.tensor([3, 7, 11])
    moved = gradients(catalogue_loss(states, table, targets, sampled), table)[0].abs().sum(1) > 0
    assert set(torch.nonzero(moved)[:, 0].tolist()) == {3, 7, 11, *targets.tolist()}


def test_bfloat16_is_near(tensors):
    states, table, targets = tensors
    exact = catalogue_loss(states, table, targets)
    near = catalogue_loss(states, table, targets, dtype=torch.bfloat16)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)
    one, other = gradients(near, states)[0], gradients(exact, states)[0]
    assert F.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


def test_weights_scale_the_losses_in_the_sum(tensors):
    states, table, targets = tensors
    weights = torch.linspace(0, 1, len(targets))
    loss = catalogue_loss(states, table, targets, weights=weights)
    expected = weights @ F.cross_entropy(states @ table.T, targets, reduction="none")
    torch.testing.assert_close(loss, expected)
    ours, theirs = gradients(loss, states, table), gradients(expected, states, table)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
