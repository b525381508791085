"""The softmax over a catalogue: PyTorch's own where all items are asked, near it where few are."""

import pytest
import torch
from torch.nn import functional as F

from p5rec.models import catalogue
from p5rec.models.catalogue import catalogue_loss


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(30, 6, generator=generator).requires_grad_()
    table = torch.randn(20, 6, generator=generator).requires_grad_()
    return states, table, torch.randint(0, 20, (30,), generator=generator)


def gradients(loss, *of):
    return torch.autograd.grad(3 * loss, of)


@pytest.mark.parametrize("drawn", [None, "all"])
def test_equals_the_softmax_where_every_item_is_asked(given, drawn, monkeypatch):
    monkeypatch.setattr(catalogue, "CELLS", 150)  # several pieces, the last of them shorter
    states, table, targets = given
    order = None if drawn is None else torch.randperm(20)
    loss = catalogue_loss(states, table, targets, order)
    wanted = F.cross_entropy(states @ table.T, targets)
    torch.testing.assert_close(loss, wanted)
    ours, theirs = gradients(loss, states, table), gradients(wanted, states, table)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_drawn_items_stand_for_all_of_them(given):
    """The odds against the targets are unbiased: their mean over draws is that of all items."""
    states, table, targets = (part.detach() for part in given)
    right = (states * table[targets]).sum(1)
    odds = (states @ table.T - right[:, None]).exp().sum(1) - 1
    generator = torch.Generator().manual_seed(1)
    found = torch.stack(
        [
            torch.expm1(catalogue_loss(states[:1], table, targets[:1], drawn))
            for drawn in (torch.randperm(20, generator=generator)[:5] for _ in range(1000))
        ]
    )
    assert found.mean() == pytest.approx(float(odds[0]), rel=0.1)


def test_items_neither_drawn_nor_asked_for_do_not_move(given):
    states, table, targets = given
    drawn = torch.tensor([3, 7, 11])
    moved = gradients(catalogue_loss(states, table, targets, drawn), table)[0].abs().sum(1) > 0
    assert set(torch.nonzero(moved)[:, 0].tolist()) == {3, 7, 11, *targets.tolist()}


def test_bfloat16_is_near(given):
    states, table, targets = given
    exact = catalogue_loss(states, table, targets)
    near = catalogue_loss(states, table, targets, dtype=torch.bfloat16)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)
    one, other = gradients(near, states)[0], gradients(exact, states)[0]
    assert F.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


def test_weights_are_those_of_the_sum(given):
    states, table, targets = given
    weights = torch.linspace(0, 1, len(targets))
    loss = catalogue_loss(states, table, targets, weights=weights)
    wanted = weights @ F.cross_entropy(states @ table.T, targets, reduction="none")
    torch.testing.assert_close(loss, wanted)
    ours, theirs = gradients(loss, states, table), gradients(wanted, states, table)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
