"""Causal attention where prompts continue histories as branches of a tree.

A mask over a whole sequence would cost the scores of all pairs of its positions. Here the sequences
are computed in blocks: histories, and branches of similar length, each with its own history.

B sequences, P positions, H heads of width D, which share G key heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .transformer import of_transformers

NAME = "p5rec_tree"


@dataclass(frozen=True, eq=False)
class Block:
    """M parts of sequences that are computed together, as indices of the ``B * P`` positions.

    Attributes:
        queries: ``(M, L)`` int64, padded.
        keys: ``(M, S)`` int64, the positions that they may read, padded.
        reads: ``(M, L, S)`` bool, those that each reads, one at least.
    """

    queries: Tensor
    keys: Tensor
    reads: Tensor


@dataclass(frozen=True, eq=False)
class Blocks:
    """All parts of a batch.

    Attributes:
        parts: R rows of queries in all.
        row_of: ``(B * P,)`` int64, the row of each position; R for positions in no part.
    """

    parts: Sequence[Block]
    row_of: Tensor


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    blocks: Blocks,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> tuple[Tensor, None]:
    """Softmax attention with the signature that transformers expects.

    Args:
        query: ``(B, H, P, D)``.
        key, value: ``(B, G, P, D)``.
        attention_mask: ignored: the blocks say what is read.
        blocks: of the batch.
        scaling: of the scores; None: ``D ** -0.5``.
        dropout: probability, on the weights.

    Returns:
        ``(B, P, H, D)``; zeros at positions in no block.
    """
    batch, heads, length, width = query.shape
    scale = width**-0.5 if scaling is None else scaling
    queries, keys, values = (
        each.transpose(1, 2).flatten(0, 1) for each in (query * scale, key, value)
    )  # (B * P, heads, D)
    rows = [
        _attended(
            _taken(queries, block.queries),
            _taken(keys, block.keys),
            _taken(values, block.keys),
            block.reads,
            dropout,
        ).flatten(0, 1)
        for block in blocks.parts
    ]
    out = torch.cat([*rows, query.new_zeros(1, heads, width)])
    return _taken(out, blocks.row_of).view(batch, length, heads, width), None


def _taken(rows: Tensor, at: Tensor) -> Tensor:
    """``rows[at]``; its gradient is added up faster than that of an index."""
    return rows.index_select(0, at.flatten()).view(*at.shape, *rows.shape[1:])


def _attended(query: Tensor, key: Tensor, value: Tensor, reads: Tensor, dropout: float) -> Tensor:
    """``(M, L, H, D)`` from scaled queries ``(M, L, H, D)``, keys and values ``(M, S, G, D)``."""
    length, groups = query.shape[1], key.shape[2]
    rows = query.unflatten(2, (groups, -1)).permute(0, 2, 3, 1, 4)  # (M, G, H / G, L, D)
    scores = rows.flatten(2, 3) @ key.permute(0, 2, 3, 1)
    scores = scores.unflatten(2, (-1, length)).masked_fill(~reads[:, None, None], -torch.inf)
    weights = scores.softmax(-1)
    if dropout:
        weights = torch.nn.functional.dropout(weights, dropout)
    mixed = weights.flatten(2, 3) @ value.transpose(1, 2)
    return mixed.unflatten(2, (-1, length)).permute(0, 3, 1, 2, 4).reshape(query.shape)


def use_tree_attention(model: Any) -> None:
    """Lets a model of transformers take ``blocks`` in its forward pass.

    Without them, the model computes PyTorch's attention as before.
    """
    if not (of_transformers(model) and model.config._attn_implementation == "sdpa"):
        return
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    def attend(module: nn.Module, *states: Any, blocks: Blocks | None = None, **more: Any) -> Any:
        if blocks is None:
            return sdpa_attention_forward(module, *states, **more)
        chosen = {name: more[name] for name in ("scaling", "dropout") if name in more}
        return tree_attention(module, *states, blocks=blocks, **chosen)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def takes_blocks(model: Any) -> bool:
    """Whether a network takes ``blocks`` in its forward pass, else an attention mask."""
    if of_transformers(model):
        return bool(model.config._attn_implementation == NAME)
    return bool(getattr(model, "takes_blocks", False))
