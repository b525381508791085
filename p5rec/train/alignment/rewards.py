"""What drawn items are worth: pure functions of the items, their ranks and what came next.

M positions, G items drawn at each, L code levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import Reward


@dataclass(frozen=True, eq=False)
class Group:
    """Items drawn at M positions.

    Attributes:
        right: ``(M, G)`` bool, whether a drawn item is the one that came next.
        logs: ``(M, G)`` their log-probabilities.
        shared: ``(M, G)`` how many of their first codes are those of the one that came next.
        levels: L.
    """

    right: Tensor
    logs: Tensor
    shared: Tensor
    levels: int

    @property
    def ranks(self) -> Tensor:
        """``(M, G)``: each item's place in its group, 1 the likeliest."""
        order = self.logs.argsort(dim=1, descending=True, stable=True)
        return order.argsort(dim=1) + 1


def hit(group: Group) -> Tensor:
    """``(M, G)``: 1 for the item that came next, 0 for all others."""
    return group.right.float()


def rank(group: Group) -> Tensor:
    """``(M, G)``: what the list loses by each miss; the higher the model ranks one, the more.

    A miss at rank r loses ``1 / log2(r + 1)``, its discount in a DCG, as a share of all misses'
    (the ranking reward of ReRe, Tan et al. 2025, arXiv 2510.12211). DEVIATION: where the group
    lacks the item that came next all are 0, for nothing is known of the order of its misses.
    """
    discounts = (1 / (group.ranks + 1).float().log2()).masked_fill(group.right, 0)
    every = discounts.sum(1, keepdim=True).clamp(min=1e-9)  # 0 where there is no miss
    return -discounts / every * group.right.any(1, keepdim=True)


def prefix(group: Group) -> Tensor:
    """``(M, G)``: the share of an item's codes, from the first on, that are the right item's."""
    return group.shared.float() / group.levels


REWARDS: Mapping[Reward, Callable[[Group], Tensor]] = {"hit": hit, "rank": rank, "prefix": prefix}


def reward(group: Group, weights: Mapping[Reward, float]) -> Tensor:
    """``(M, G)``: the weighted sum of the rewards named."""
    return torch.stack([weight * REWARDS[name](group) for name, weight in weights.items()]).sum(0)


def advantages(rewards: Tensor) -> Tensor:
    """``(M, G)``: rewards against their group's, in standard deviations; 0 where all are alike."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + 1e-4)
