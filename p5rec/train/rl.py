"""Group relative policy optimisation over items that are drawn under the item tree.

Shao et al. 2024, *DeepSeekMath*, arXiv 2402.03300, section 4.1. M positions, G items drawn at each,
L code levels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from p5rec.models.multitask import MultitaskModel
from p5rec.models.proposals import drawn, held, items_in

from .config import GroupConfig
from .objective import supervised, with_losses, with_nll
from .rewards import Group, advantages, reward


def grpo_loss(logs: Tensor, advantages: Tensor) -> Tensor:
    """``(M,)``: the sum over codes and mean over the group of minus ratio times advantage.

    DEVIATION from equation 3 of the paper: items are drawn anew in every step, from the weights
    that the step changes, so every ratio is 1 and its clip never binds; and there is no KL to a
    reference, as by default in trl: ``nll`` is what holds the model to the data.

    Args:
        logs: ``(M, G, L)`` log-probabilities of the codes of drawn items.
        advantages: ``(M, G)``.
    """
    ratios = (logs - logs.detach()).exp()
    return -(ratios * advantages[..., None]).sum(-1).mean(-1)


class Grpo:
    """The objective of batches whose rows have ``draws``.

    At each such token G items are drawn under the item tree, independent of each other, from those
    that the row does not hold before.

    Args:
        model: the bare model, which draws.
    """

    def __init__(self, config: GroupConfig, model: MultitaskModel) -> None:
        self.config, self.model = config, model

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        if "draws" not in inputs:
            return supervised(model, inputs, count)
        seeds, ids = inputs.pop("draws"), inputs["input_ids"]
        items, (row, token) = items_in(self.model, ids), seeds.nonzero(as_tuple=True)
        chosen = self._draw(ids, items, row, token, seeds[row, token])
        left = chosen[:, 0] >= 0  # else the row has had every item there is
        row, token, chosen = row[left], token[left], chosen[left]
        candidates = torch.full((*ids.shape, self.config.group), -1, device=ids.device)
        candidates[row, token] = chosen
        given = with_nll(inputs, seeds.any(1), self.config.nll)
        outputs = supervised(model, {**given, "candidates": candidates}, count)
        logs = outputs.pop("candidate_logs")
        group = self._group(chosen, items[row, token], logs.detach().sum(-1))
        rewards = reward(group, self.config.rewards)
        losses = grpo_loss(logs, advantages(rewards)) * inputs["weights"][row, token]
        return {
            **with_losses(outputs, losses, count),
            "reward": rewards.mean(),
            "group_hit_rate": group.right.any(1).float().mean(),
        }

    def _draw(
        self, ids: Tensor, items: Tensor, row: Tensor, token: Tensor, seeds: Tensor
    ) -> Tensor:
        each = seeds[:, None] + torch.arange(self.config.group, device=ids.device)
        return drawn(self.model, ids, (row, token), each, never=held(items, row, token - 1))

    def _group(self, chosen: Tensor, target: Tensor, logs: Tensor) -> Group:
        trie = self.model.trie
        same = trie.paths(chosen) == trie.paths(target)[:, None]
        shared = same.cumprod(-1).sum(-1)
        return Group(chosen == target[:, None], logs, shared, trie.levels)
