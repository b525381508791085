"""The full-catalogue softmax loss, or a sampled softmax with negatives shared by all positions.

The loss of a position with state h and target t is ``log(1 + sum_j w exp(h . (e_j - e_t)))``. The
full softmax sums over all other items with w = 1. The sampled softmax sums over the sampled
negatives with ``w = N / C``, which makes the sum unbiased (the correction for a uniform proposal
distribution, Bengio & Senecal 2008, *Adaptive importance sampling to accelerate training of a
neural probabilistic language model*).

Loss and gradients are computed together, in blocks of positions, so the ``(P, C)`` scores are never
in memory at once.

P positions, N items, C sampled items, D hidden width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CELLS = 2**20  # scores in memory at a time


def catalogue_loss(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    sampled: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean next-item loss of all positions in nats, or the sum weighted by ``weights``.

    Args:
        states: ``(P, D)``; the absolute value of ``states @ table.T`` must not exceed 40.
        table: ``(N, D)`` item vectors.
        targets: ``(P,)`` next items.
        sampled: ``(C,)`` distinct sampled items; None: the full softmax.
        dtype: of the products and exponentials.
        weights: ``(P,)``, constants; None: 1 / P each.
    """
    if weights is None:
        weights = states.new_full((len(states),), 1 / max(1, len(states)))
    loss: Tensor = _CatalogueLoss.apply(states, table, targets, sampled, dtype, weights)  # type: ignore[no-untyped-call]
    return loss


def sample_items(n_items: int, count: int, device: torch.device) -> Tensor | None:
    """``(count,)`` distinct random items; None if the catalogue has at most twice as many."""
    return torch.randperm(n_items, device=device)[:count] if 2 * count < n_items else None


class _CatalogueLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        table: Tensor,
        targets: Tensor,
        sampled: Tensor | None,
        dtype: torch.dtype,
        weights: Tensor,
    ) -> Tensor:
        n_items, count = len(table), len(states)
        negatives = table if sampled is None else table[sampled]
        ratio = n_items / len(negatives)
        column = targets  # index of each target among the negatives, -1 if it is not sampled
        if sampled is not None:
            index = torch.full((n_items,), -1, device=table.device)
            index[sampled] = torch.arange(len(sampled), device=table.device)
            column = index[targets]
        target_vectors = table[targets]
        target_scores = (states * target_vectors).sum(1)
        low = negatives.to(dtype)
        grad_states, grad_negatives = torch.empty_like(states), torch.zeros_like(negatives)
        total, grad_targets = states.new_zeros(()), torch.empty_like(target_scores)
        step = max(1, CELLS // len(negatives))
        for start in range(0, count, step):
            block = slice(start, start + step)
            low_states = states[block].to(dtype)
            odds = torch.addmm(-target_scores[block, None].to(dtype), low_states, low.T).exp_()
            in_sample = torch.nonzero(column[block] >= 0)[:, 0]
            odds[in_sample, column[block][in_sample]] = 0
            sums = ratio * odds.sum(1, dtype=torch.float32)
            total += weights[block] @ sums.log1p()
            scale = ratio * weights[block] / (1 + sums)
            grad_states[block] = (odds @ low) * scale[:, None]
            grad_negatives += odds.T @ (low_states * scale[:, None].to(dtype))
            grad_targets[block] = -weights[block] * sums / (1 + sums)
        grad_states += grad_targets[:, None] * target_vectors
        grad_table = (
            grad_negatives
            if sampled is None
            else torch.zeros_like(table).index_copy_(0, sampled, grad_negatives)
        )
        grad_table.index_add_(0, targets, grad_targets[:, None] * states)
        ctx.save_for_backward(grad_states, grad_table)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_states, grad_table = ctx.saved_tensors
        return grads[0] * grad_states, grads[0] * grad_table, None, None, None, None
