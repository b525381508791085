"""Changes to a pretrained model before training: removed blocks, or permuted weights.

A decoder's last blocks map its state to words, so the first ``n`` blocks alone are no language
model. Removing blocks from the middle keeps most of the ability (Gromov et al. 2024, arXiv
2403.17887; Men et al. 2024, arXiv 2403.03853), and adapters recover part of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from p5rec.core.errors import UserError

PER_BLOCK = ("layer_types", "no_rope_layers")  # lists in a model's config with one entry a block


def select_blocks(model: PreTrainedModel, numbers: Sequence[int]) -> None:
    """Removes all blocks of ``model`` except those in ``numbers`` (from 0) and renumbers them.

    Raises:
        UserError: the model has fewer blocks, or it has an encoder.
    """
    shape = model.config.get_text_config()
    n = shape.num_hidden_layers
    stacks = [(m, name) for m in model.modules() for name, s in m.named_children()
              if isinstance(s, nn.ModuleList) and len(s) == n]  # fmt: skip
    if model.config.is_encoder_decoder or len(stacks) != 1:
        raise UserError(
            "backbone.layers: expected a decoder with one stack of blocks, got "
            f"{type(model).__name__}; give the number of first blocks instead"
        )
    if numbers[-1] >= n:
        raise UserError(
            f"backbone.layers: expected numbers below {n}, the blocks of {type(model).__name__}, "
            f"got {numbers[-1]}; leave it out"
        )
    owner, name = stacks[0]
    blocks = nn.ModuleList(getattr(owner, name)[number] for number in numbers)
    setattr(owner, name, blocks)
    for index, block in enumerate(blocks):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                setattr(module, "layer_idx", index)  # noqa: B010  # a module declares no ints
    shape.num_hidden_layers = len(blocks)
    for key in PER_BLOCK:
        if per_block := getattr(shape, key, None):
            setattr(shape, key, [per_block[number] for number in numbers])


@torch.no_grad()
def permute_weights(model: nn.Module, seed: int) -> None:
    """Permutes the entries of every weight tensor at random: the control for pretraining.

    Each tensor keeps its distribution of values, so hidden states keep about their size, but what
    the model has learned is lost. The same seed gives the same permutation.
    """
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))
