"""Contrastive losses with in-batch negatives, for pre-training on sequences.

P positions, R sequences, C distinct items, D width. All vectors have norm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sequence_item_loss(
    states: Tensor, vectors: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """The mean loss of predicting each position's item among the items of all positions.

    The negatives of a position are the items of the other positions, as often as they occur there.
    Positions with the same item are left out.

    Args:
        states: ``(P, D)``.
        vectors: ``(C, D)`` of the distinct items.
        targets: ``(P,)`` the row of each position's item in ``vectors``.
        temperature: of the softmax.
    """
    counts = torch.bincount(targets, minlength=len(vectors))
    logits = states @ vectors.T / temperature
    own = logits.gather(1, targets[:, None])
    logits = (logits + counts.log()).scatter(1, targets[:, None], own)
    return (logits.logsumexp(1) - own[:, 0]).mean()


def sequence_sequence_loss(
    states: Tensor, views: Tensor, next_items: Tensor, temperature: float
) -> Tensor:
    """The mean loss of finding each sequence's other view among the views of all sequences.

    Args:
        states, views: ``(R, D)`` the sequences, and a second view of each.
        next_items: ``(R,)`` the next item of each; other sequences with the same one are left out.
        temperature: of the softmax.
    """
    same = (next_items[:, None] == next_items).fill_diagonal_(False)
    logits = (states @ views.T / temperature).masked_fill(same, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(states)))
