"""Softmax-DPO over items: the one that came next against those the model listed in its place.

Chen et al. 2024, *On Softmax Direct Preference Optimization for Recommendation*, arXiv 2406.09215.
M positions, J rejected items at each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .config import PreferenceConfig
from .objective import supervised, with_losses, with_nll


def sdpo_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """``(M,)``: the loss of each position (equation 8 of the paper); with J = 1 that of DPO.

    Args:
        chosen: ``(M,)`` log-ratios of the model to the reference for the item that came next.
        rejected: ``(M, J)`` those of the others, -inf where there is none, at least one a row.
        beta: of the rewards that the log-ratios stand for.
    """
    return softplus((beta * (rejected - chosen[:, None])).logsumexp(1))


class SoftmaxDpo:
    """The objective of batches whose rows have ``candidates`` and ``reference``."""

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
