"""The softmax over a whole catalogue as a loss, or over items drawn for all positions at once.

A position with state h whose next item is t loses ``log(1 + sum_j w exp(h . (e_j - e_t)))``, j over
all other items (w = 1), or over those drawn: each stands for ``w = N / C`` items then, and the sum
is unbiased (the correction for uniform proposals, Bengio & Senecal 2008, *Adaptive importance
sampling to accelerate training of a neural probabilistic language model*).

The gradients are worked out beside the loss, some positions at a time, so the ``(P, C)`` scores are
never held as a whole, and each is written and read but a few times.

P positions, N items, C drawn, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CELLS = 2**20  # scores held at a time


def catalogue_loss(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    drawn: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss of naming each position's next item, in nats, or its sum under ``weights``.

    Args:
        states: ``(P, D)``; ``states @ table.T`` must stay within 40 of 0.
        table: ``(N, D)`` item vectors.
        targets: ``(P,)`` the next items.
        drawn: ``(C,)`` distinct items; None: all.
        dtype: of the products and of the exponentials.
        weights: ``(P,)``, constants; None: 1 / P each.
    """
    if weights is None:
        weights = states.new_full((len(states),), 1 / max(1, len(states)))
    loss: Tensor = _CatalogueLoss.apply(states, table, targets, drawn, dtype, weights)  # type: ignore[no-untyped-call]
    return loss


def draw(n_items: int, count: int, device: torch.device) -> Tensor | None:
    """``(count,)`` distinct items; None, all, of a catalogue of up to twice as many."""
    return torch.randperm(n_items, device=device)[:count] if 2 * count < n_items else None


def quick(device: torch.device) -> torch.dtype:
    """In what scores are computed: bfloat16 where the processor multiplies it."""
    if device.type != "cpu":
        return torch.bfloat16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


class _CatalogueLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        table: Tensor,
        targets: Tensor,
        drawn: Tensor | None,
        dtype: torch.dtype,
        weights: Tensor,
    ) -> Tensor:
        n_items, count = len(table), len(states)
        others = table if drawn is None else table[drawn]
        each = n_items / len(others)
        column = targets  # of each target among the others, -1 where it is not drawn
        if drawn is not None:
            place = torch.full((n_items,), -1, device=table.device)
            place[drawn] = torch.arange(len(drawn), device=table.device)
            column = place[targets]
        own = table[targets]
        right = (states * own).sum(1)
        low = others.to(dtype)
        of_states, of_others = torch.empty_like(states), torch.zeros_like(others)
        total, missed = states.new_zeros(()), torch.empty_like(right)
        step = max(1, CELLS // len(others))
        for at in range(0, count, step):
            part = slice(at, at + step)
            here = states[part].to(dtype)
            odds = torch.addmm(-right[part, None].to(dtype), here, low.T).exp_()
            listed = torch.nonzero(column[part] >= 0)[:, 0]
            odds[listed, column[part][listed]] = 0
            against = each * odds.sum(1, dtype=torch.float32)
            total += weights[part] @ against.log1p()
            share = each * weights[part] / (1 + against)
            of_states[part] = (odds @ low) * share[:, None]
            of_others += odds.T @ (here * share[:, None].to(dtype))
            missed[part] = -weights[part] * against / (1 + against)
        of_states += missed[:, None] * own
        of_table = (
            of_others if drawn is None else torch.zeros_like(table).index_copy_(0, drawn, of_others)
        )
        of_table.index_add_(0, targets, missed[:, None] * states)
        ctx.save_for_backward(of_states, of_table)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_table = ctx.saved_tensors
        return grads[0] * of_states, grads[0] * of_table, None, None, None, None
