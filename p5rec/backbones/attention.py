"""Attention for short sequences on a CPU: plain products, keys and values shared, not copied.

PyTorch's fused attention on a CPU is made for long sequences; on prompts of some hundred tokens two
batched products and a softmax take about half its time, and where several query heads share
one head of keys they need no copies of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, eager_mask

NAME = "p5rec_short"


def short_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """Softmax attention as transformers calls it; inference only: it knows no dropout.

    Args:
        query: ``(B, H, T, D)``.
        key, value: ``(B, G, S, D)``, G heads of keys for H heads of queries.
        attention_mask: ``(B, 1, T, S)``, added to the scores, or None.

    Returns:
        ``(B, T, H, D)``.
    """
    batch, heads, length, width = query.shape
    groups = key.shape[1]
    scaled = query * (width**-0.5 if scaling is None else scaling)
    grouped = scaled.reshape(batch, groups, -1, width)
    scores = (grouped @ key.transpose(2, 3)).view(batch, heads, length, -1)
    if attention_mask is not None:
        scores += attention_mask
    shares = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    mixed = shares.view(batch, groups, -1, key.shape[2]) @ value
    return mixed.view(batch, heads, length, width).transpose(1, 2).contiguous(), None


def shorten(model: nn.Module) -> None:
    """Lets ``model`` answer with :func:`short_attention` where it would take PyTorch's."""
    if isinstance(model, PreTrainedModel) and model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, short_attention)
        AttentionMaskInterface.register(NAME, eager_mask)
        model.set_attn_implementation(NAME)


def adds_mask(model: PreTrainedModel) -> bool:
    """Whether a model's attention adds its mask to the scores."""
    return model.config._attn_implementation in ("eager", NAME)
