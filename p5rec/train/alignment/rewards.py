"""Rewards of sampled items: functions of the items, their ranks and the target.

M positions, G items sampled at each, L code levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import Reward


@dataclass(frozen=True, eq=False)
class Group:
    """Items sampled at M positions.

    Attributes:
        hits: ``(M, G)`` bool, whether a sampled item is the target.
        logs: ``(M, G)`` log-probabilities of the sampled items.
        shared: ``(M, G)`` number of leading codes that a sampled item shares with the target.
        levels: L.
    """

    hits: Tensor
    logs: Tensor
    shared: Tensor
    levels: int

    @property
    def ranks(self) -> Tensor:
        """``(M, G)``: each item's rank in its group, 1 for the most likely."""
        order = self.logs.argsort(dim=1, descending=True, stable=True)
        return order.argsort(dim=1) + 1


def hit(group: Group) -> Tensor:
    """``(M, G)``: 1 for the target, 0 for all other items."""
    return group.hits.float()


def rank(group: Group) -> Tensor:
    """``(M, G)``: a penalty for each miss, larger for misses at higher ranks.

    The penalty at rank r is ``1 / log2(r + 1)``, the DCG discount, normalised over the misses of
    the group (the ranking reward of ReRe, Tan et al. 2025, arXiv 2510.12211). DEVIATION: a group
    without the target has rewards of 0, because the order of its misses has no information.
    """
    discounts = (1 / (group.ranks + 1).float().log2()).masked_fill(group.hits, 0)
    total = discounts.sum(1, keepdim=True).clamp(min=1e-9)  # 0 without a miss
    return -discounts / total * group.hits.any(1, keepdim=True)


def prefix(group: Group) -> Tensor:
    """``(M, G)``: the fraction of leading codes that an item shares with the target."""
    return group.shared.float() / group.levels


REWARDS: Mapping[Reward, Callable[[Group], Tensor]] = {"hit": hit, "rank": rank, "prefix": prefix}


def reward(group: Group, weights: Mapping[Reward, float]) -> Tensor:
    """``(M, G)``: the weighted sum of the rewards in ``weights``."""
    return torch.stack([weight * REWARDS[name](group) for name, weight in weights.items()]).sum(0)


def advantages(rewards: Tensor) -> Tensor:
    """``(M, G)``: rewards standardised within their group; 0 if all are equal."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + 1e-4)
