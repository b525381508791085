"""Training objectives: the supervised loss, softmax-DPO and GRPO.

M positions, J rejected or G sampled items at each, L code levels.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from p5rec.models.candidate_sampling import item_starting_at, preceding_items, sampled_candidates
from p5rec.models.multitask import Batch, MultitaskModel

from ..config import AlignConfig, GroupConfig, PreferenceConfig
from .rewards import Group, advantages, reward


class Objective(Protocol):
    """Computes the loss of a batch and its loss terms.

    It calls ``model(...)``, because data-parallel wrappers hook into this call.
    """

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        """See :meth:`p5rec.models.multitask.MultitaskModel.forward`.

        Args:
            inputs: a batch of :class:`p5rec.train.examples.collate.Collator`.
            count: divisor of summed losses.
        """
        ...


def supervised(
    model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
) -> dict[str, Tensor]:
    """The supervised loss of the model."""
    outputs: dict[str, Tensor] = model(Batch(**inputs), count)
    return outputs


def objective(align: AlignConfig | None, model: MultitaskModel) -> Objective:
    """The objective of ``align``; None: the supervised loss."""
    match align:
        case PreferenceConfig():
            return SoftmaxDpo(align)
        case GroupConfig():
            return Grpo(align, model)
    return supervised


def sdpo_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """``(M,)``: the softmax-DPO loss of each position; with J = 1 the DPO loss.

    Chen et al. 2024, *On Softmax Direct Preference Optimization for Recommendation*, arXiv
    2406.09215, equation 8.

    Args:
        chosen: ``(M,)`` log-ratios of model and reference for the target item.
        rejected: ``(M, J)`` log-ratios of rejected items, -inf for missing ones; at least one per
            position.
        beta: scale of the implicit rewards.
    """
    return softplus((beta * (rejected - chosen[:, None])).logsumexp(1))


class SoftmaxDpo:
    """Softmax-DPO over items for batches with ``candidates`` and ``reference``: the target item
    against rejected items."""

    def __init__(self, config: PreferenceConfig) -> None:
        self.config = config

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        if "candidates" not in inputs:
            return supervised(model, inputs, count)
        reference, items = inputs.pop("reference"), inputs["candidates"]
        sequence, token = (items[..., 0] >= 0).nonzero(as_tuple=True)
        weighted = with_nll(inputs, (items >= 0).flatten(1).any(1), self.config.nll)
        outputs = supervised(model, weighted, count)
        ratios = outputs.pop("candidate_logs").sum(-1) - reference[sequence, token]
        ratios = ratios.masked_fill(items[sequence, token] < 0, -torch.inf)
        chosen, rejected = ratios[:, 0], ratios[:, 1:]
        losses = sdpo_loss(chosen, rejected, self.config.beta)
        return {
            **with_losses(outputs, losses * inputs["weights"][sequence, token], count),
            "preference_loss": losses.detach().mean(),
            "preferred": (chosen[:, None] > rejected).all(1).float().mean(),
            "chosen_log_ratio": chosen.detach().mean(),
        }


def grpo_loss(logs: Tensor, advantages: Tensor) -> Tensor:
    """``(M,)``: minus ratio times advantage, summed over codes and averaged over the group.

    Shao et al. 2024, *DeepSeekMath*, arXiv 2402.03300, section 4.1. DEVIATIONS from its equation 3:
    items are sampled in every step from the current weights, so every ratio is 1 and clipping
    never applies; there is no KL penalty to a reference, the default of trl (``nll`` ties the
    model to the data instead).

    Args:
        logs: ``(M, G, L)`` log-probabilities of the codes of sampled items.
        advantages: ``(M, G)``.
    """
    ratios = (logs - logs.detach()).exp()
    return -(ratios * advantages[..., None]).sum(-1).mean(-1)


class Grpo:
    """Group relative policy optimisation (GRPO) for batches with ``sample_seeds``.

    At each token with a seed G items are sampled independently from the model, except items
    earlier in the sequence.

    Args:
        config: the objective's settings.
        model: the unwrapped model, for sampling.
    """

    def __init__(self, config: GroupConfig, model: MultitaskModel) -> None:
        self.config, self.model = config, model

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        if "sample_seeds" not in inputs:
            return supervised(model, inputs, count)
        seeds, ids = inputs.pop("sample_seeds"), inputs["input_ids"]
        items, (sequence, token) = item_starting_at(self.model, ids), seeds.nonzero(as_tuple=True)
        sampled = self._sample(ids, items, sequence, token, seeds[sequence, token])
        valid = sampled[:, 0] >= 0  # else no item is left to sample
        sequence, token, sampled = sequence[valid], token[valid], sampled[valid]
        candidates = torch.full((*ids.shape, self.config.group), -1, device=ids.device)
        candidates[sequence, token] = sampled
        weighted = with_nll(inputs, seeds.any(1), self.config.nll)
        outputs = supervised(model, {**weighted, "candidates": candidates}, count)
        logs = outputs.pop("candidate_logs")
        group = self._group(sampled, items[sequence, token], logs.detach().sum(-1))
        rewards = reward(group, self.config.rewards)
        losses = grpo_loss(logs, advantages(rewards)) * inputs["weights"][sequence, token]
        return {
            **with_losses(outputs, losses, count),
            "reward": rewards.mean(),
            "group_hit_rate": group.hits.any(1).float().mean(),
        }

    def _sample(
        self, ids: Tensor, items: Tensor, sequence: Tensor, token: Tensor, seeds: Tensor
    ) -> Tensor:
        each = seeds[:, None] + torch.arange(self.config.group, device=ids.device)
        excluded = preceding_items(items, sequence, token - 1)
        return sampled_candidates(self.model, ids, (sequence, token), each, excluded=excluded)

    def _group(self, sampled: Tensor, target: Tensor, logs: Tensor) -> Group:
        trie = self.model.trie
        same = trie.paths(sampled) == trie.paths(target)[:, None]
        shared = same.cumprod(-1).sum(-1)
        return Group(sampled == target[:, None], logs, shared, trie.levels)


def with_nll(inputs: dict[str, Any], aligned: Tensor, nll: float) -> dict[str, Any]:
    """The batch with supervised losses of aligned sequences weighted by ``nll``.

    Args:
        inputs: the batch.
        aligned: ``(B,)`` bool, sequences with candidates.
        nll: the weight.
    """
    weights = inputs["weights"]
    return {**inputs, "weights": torch.where(aligned[:, None], nll * weights, weights)}


def with_losses(
    outputs: dict[str, Tensor], losses: Tensor, count: Tensor | float | None
) -> dict[str, Tensor]:
    """``outputs`` with ``losses (M,)`` added to the loss."""
    return {**outputs, "loss": outputs["loss"] + losses.sum() / torch.as_tensor(count).clamp(min=1)}
