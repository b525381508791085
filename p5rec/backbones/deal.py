"""The control of what a language model has learned: its numbers stay, their places do not."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def deal_out(model: nn.Module, seed: int) -> None:
    """Deals the numbers of every weight out anew among its own places.

    Each matrix and each norm keeps its mean, its spread and all that is rare in it, so that states
    are of about the size they had; what was learned is gone. The same seed gives the same places.
    """
    drawn = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        places = torch.randperm(weight.numel(), generator=drawn).to(weight.device)
        weight.copy_(weight.flatten()[places].view_as(weight))
