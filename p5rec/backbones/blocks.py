"""A pretrained model changed before it is taught: without some of its blocks, or scrambled.

A decoder's last blocks turn its state into words, so the first ``n`` alone speak no language; with
blocks left out of the middle most of it survives (Gromov et al. 2024, arXiv 2403.17887; Men et al.
2024, arXiv 2403.03853), and adapters mend the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from p5rec.core.errors import UserError

PER_BLOCK = ("layer_types", "no_rope_layers")  # lists in a model's configuration, an entry a block


def keep_blocks(model: PreTrainedModel, numbers: Sequence[int]) -> None:
    """Leaves in ``model`` the blocks of these numbers, counted from 0; they are counted anew.

    Raises:
        UserError: the model has fewer blocks, or an encoder beside its decoder.
    """
    shape = model.config.get_text_config()
    n = shape.num_hidden_layers
    stacks = [(m, name) for m in model.modules() for name, s in m.named_children()
              if isinstance(s, nn.ModuleList) and len(s) == n]  # fmt: skip
    if model.config.is_encoder_decoder or len(stacks) != 1:
        raise UserError(
            "backbone.layers: expected a decoder, one stack of blocks, to choose numbers from, got "
            f"{type(model).__name__}; give the number of first blocks instead"
        )
    if numbers[-1] >= n:
        raise UserError(
            f"backbone.layers: expected numbers below {n}, the blocks of {type(model).__name__}, "
            f"got {numbers[-1]}; leave it out"
        )
    owner, name = stacks[0]
    kept = nn.ModuleList(getattr(owner, name)[number] for number in numbers)
    setattr(owner, name, kept)
    for place, block in enumerate(kept):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                setattr(module, "layer_idx", place)  # noqa: B010  # a module declares no ints
    shape.num_hidden_layers = len(kept)
    for key in PER_BLOCK:
        if each := getattr(shape, key, None):
            setattr(shape, key, [each[number] for number in numbers])


@torch.no_grad()
def deal_out(model: nn.Module, seed: int) -> None:
    """Deals the numbers of every weight out anew among its own places: the control of what a model
    has learned.

    Each matrix and each norm keeps its mean, its spread and all that is rare in it, so that states
    are of about the size they had; what was learned is gone. The same seed gives the same places.
    """
    drawn = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        places = torch.randperm(weight.numel(), generator=drawn).to(weight.device)
        weight.copy_(weight.flatten()[places].view_as(weight))
