"""Attention for short sequences on a CPU: two batched products and a softmax.

PyTorch's fused CPU attention is optimised for long sequences. On prompts of a few hundred tokens
this implementation takes about half its time. Query heads that share one key head (grouped-query
attention) need no copy of the keys and values.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .transformer import of_transformers
from .tree_attention import NAME as TREES

NAME = "p5rec_short"


class Attend(Protocol):
    """Attention with the signature and the result of :func:`short_attention`."""

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
    ) -> tuple[Tensor, None]: ...


def short_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """Softmax attention with the signature that transformers expects; inference only, no dropout.

    Args:
        query: ``(B, H, T, D)``.
        key, value: ``(B, G, S, D)``, G key heads for H query heads.
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
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    mixed = weights.view(batch, groups, -1, key.shape[2]) @ value
    return mixed.view(batch, heads, length, width).transpose(1, 2).contiguous(), None


def use_short_attention(model: Any) -> None:
    """Replaces PyTorch's fused attention in a network with :func:`short_attention`."""
    if hasattr(model, "use_attention"):
        model.use_attention(short_attention)
    elif of_transformers(model) and model.config._attn_implementation in ("sdpa", TREES):
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, eager_mask

        AttentionInterface.register(NAME, short_attention)
        AttentionMaskInterface.register(NAME, eager_mask)
        model.set_attn_implementation(NAME)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask, True for what is read, as one that is added to attention scores."""
    shown = torch.zeros((), dtype=dtype, device=mask.device)
    return torch.where(mask, shown, torch.finfo(dtype).min)


def adds_mask(model: Any) -> bool:
    """Whether a network expects an additive attention mask (else a boolean one)."""
    return of_transformers(model) and model.config._attn_implementation in ("eager", NAME)
