"""How a batch becomes a loss: by the model's own, or by an objective of alignment beside it.

M positions, J rejected or G drawn items at each, L code levels.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from p5rec.models.multitask import Batch, MultitaskModel
from p5rec.models.candidate_sampling import sampled_candidates, preceding_items, item_starting_at

from ..config import AlignConfig, GroupConfig, PreferenceConfig
from .rewards import Group, advantages, reward


class Objective(Protocol):
    """The loss of a batch and its parts, through ``model(...)``: data-parallel wrappers look."""

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        """See :meth:`p5rec.models.multitask.MultitaskModel.forward`.

        Args:
            inputs: a batch of :class:`p5rec.train.examples.collate.Collator`.
            count: what sums are divided by.
        """
        ...


def supervised(
    model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
) -> dict[str, Tensor]:
    """The model's own loss."""
    outputs: dict[str, Tensor] = model(Batch(**inputs), count)
    return outputs


def objective(align: AlignConfig | None, model: MultitaskModel) -> Objective:
    """The loss that ``align`` asks for; None: the model's own."""
    match align:
        case PreferenceConfig():
            return SoftmaxDpo(align)
        case GroupConfig():
            return Grpo(align, model)
    return supervised


def sdpo_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """``(M,)``: softmax-DPO's loss of each position; with J = 1 that of DPO.

    Chen et al. 2024, *On Softmax Direct Preference Optimization for Recommendation*, arXiv
    2406.09215, equation 8.

    Args:
        chosen: ``(M,)`` log-ratios of the model to the reference for the item that came next.
        rejected: ``(M, J)`` those of the others, -inf where there is none, at least one a row.
        beta: of the rewards that the log-ratios stand for.
    """
    return softplus((beta * (rejected - chosen[:, None])).logsumexp(1))


class SoftmaxDpo:
    """The objective of batches whose rows have ``candidates`` and ``reference``: softmax-DPO over
    items, the one that came next against those the model named in its place."""

    def __init__(self, config: PreferenceConfig) -> None:
        self.config = config

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        if "candidates" not in inputs:
            return supervised(model, inputs, count)
        reference, items = inputs.pop("reference"), inputs["candidates"]
        row, token = (items[..., 0] >= 0).nonzero(as_tuple=True)
        given = with_nll(inputs, (items >= 0).flatten(1).any(1), self.config.nll)
        outputs = supervised(model, given, count)
        ratios = outputs.pop("candidate_logs").sum(-1) - reference[row, token]
        ratios = ratios.masked_fill(items[row, token] < 0, -torch.inf)
        chosen, rejected = ratios[:, 0], ratios[:, 1:]
        losses = sdpo_loss(chosen, rejected, self.config.beta)
        return {
            **with_losses(outputs, losses * inputs["weights"][row, token], count),
            "preference_loss": losses.detach().mean(),
            "preferred": (chosen[:, None] > rejected).all(1).float().mean(),
            "chosen_log_ratio": chosen.detach().mean(),
        }


def grpo_loss(logs: Tensor, advantages: Tensor) -> Tensor:
    """``(M,)``: the sum over codes and mean over the group of minus ratio times advantage.

    Shao et al. 2024, *DeepSeekMath*, arXiv 2402.03300, section 4.1. DEVIATION from its equation 3:
    items are drawn anew in every step, from the weights that the step changes, so every ratio is 1
    and its clip never binds; and there is no KL to a reference, as by default in trl: ``nll`` is
    what holds the model to the data.

    Args:
        logs: ``(M, G, L)`` log-probabilities of the codes of drawn items.
        advantages: ``(M, G)``.
    """
    ratios = (logs - logs.detach()).exp()
    return -(ratios * advantages[..., None]).sum(-1).mean(-1)


class Grpo:
    """The objective of batches whose rows have ``draws``: group relative policy optimisation.

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
        items, (row, token) = item_starting_at(self.model, ids), seeds.nonzero(as_tuple=True)
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
        return sampled_candidates(self.model, ids, (row, token), each, excluded=preceding_items(items, row, token - 1))

    def _group(self, chosen: Tensor, target: Tensor, logs: Tensor) -> Group:
        trie = self.model.trie
        same = trie.paths(chosen) == trie.paths(target)[:, None]
        shared = same.cumprod(-1).sum(-1)
        return Group(chosen == target[:, None], logs, shared, trie.levels)


def with_nll(inputs: dict[str, Any], aligned: Tensor, nll: float) -> dict[str, Any]:
    """The same batch, in which supervised loss has the weight ``nll`` in ``aligned`` rows.

    Args:
        aligned: ``(B,)`` bool.
    """
    weights = inputs["weights"]
    return {**inputs, "weights": torch.where(aligned[:, None], nll * weights, weights)}


def with_losses(
    outputs: dict[str, Tensor], losses: Tensor, count: Tensor | float | None
) -> dict[str, Tensor]:
    """``outputs`` whose loss has ``losses (M,)`` in it besides."""
    return {**outputs, "loss": outputs["loss"] + losses.sum() / torch.as_tensor(count).clamp(min=1)}
