"""A language model over texts in segments, some of whose states are stored.

A sequence is: soft prompts, the segments of the prefix (a user and behaviours), and a last segment.
The positions of prompts and prefix see each other; later ones see all before them. Blocks below the
stored states see their own segment alone.

B sequences, P soft prompts, T positions without prompts, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from p5rec.backbones.split_decoder import UpperBlocks


class SegmentModel(nn.Module):
    """Soft prompts and the blocks above the stored states.

    Args:
        lower: prompts ``(1, P, D)`` → their states ``(1, P, D)`` below the upper blocks.
        upper: the upper blocks.
        prompts: ``(P, D)``, initial embeddings of the soft prompts; the last C are the options: the
            weights of the classes.
    """

    def __init__(self, lower: nn.Module, upper: UpperBlocks, prompts: Tensor) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        self.prompts = nn.Parameter(prompts.clone())

    def train(self, mode: bool = True) -> SegmentModel:
        """See :class:`torch.nn.Module`; the lower blocks stay without dropout."""
        super().train(mode)
        self.lower.eval()
        return self

    def prompt_states(self) -> Tensor:
        """``(1, P, D)`` the states of the prompts below the upper blocks."""
        states: Tensor = self.lower(self.prompts[None])
        return states

    def forward(self, states: Tensor, prefix: Tensor, lengths: Tensor) -> Tensor:
        """``(B, D)``: the hidden states at the end of B sequences.

        Args:
            states: ``(B, T, D)`` the stored states, padded on the right.
            prefix: ``(B,)`` positions of the prefix.
            lengths: ``(B,)`` positions of the sequence, more than those of the prefix.
        """
        prompts = len(self.prompts)
        read = torch.cat([self.prompt_states().expand(len(states), -1, -1), states], dim=1)
        mask = prefix_mask(prefix + prompts, lengths + prompts, read.shape[1])
        positions = torch.arange(read.shape[1]).expand(len(states), -1)
        ends = prompts + lengths - 1
        return self.upper.at_ends(read, mask, positions, ends)

    def read(self, states: Tensor, cache: Any) -> None:
        """Reads the prompts and one prefix ``(1, T, D)`` into a key-value cache."""
        read = torch.cat([self.prompt_states(), states], dim=1)
        length = read.shape[1]
        mask = torch.ones(1, length, length, dtype=torch.bool)
        self.upper(read, mask, torch.arange(length)[None], cache)

    def follow(self, states: Tensor, lengths: Tensor, seen: int, cache: Any) -> Tensor:
        """``(B, D)``: the hidden states at the end of B last segments of one prefix.

        Args:
            states: ``(B, T, D)`` of the segments, padded on the right.
            lengths: ``(B,)`` positions of the segments.
            seen: positions of prompts and prefix.
            cache: their keys and values for B sequences; it is extended.
        """
        at = torch.arange(seen, seen + states.shape[1])
        mask = torch.arange(seen + states.shape[1]) <= at[:, None]
        batch = len(states)
        hidden = self.upper(states, mask.expand(batch, -1, -1), at.expand(batch, -1), cache)
        return hidden[torch.arange(batch), lengths - 1]

    def options(self, classes: int) -> Tensor:
        """``(C, D)`` the weights of the classes: the last soft prompts, scaled as in attention."""
        return self.prompts[-classes:] * self.prompts.shape[1] ** -0.5


class Settled(nn.Module):
    """Stands in for lower blocks whose output for the prompts is known.

    Args:
        states: ``(1, P, D)``.
    """

    states: Tensor

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.register_buffer("states", states)

    def forward(self, prompts: Tensor) -> Tensor:
        """``(1, P, D)``."""
        return self.states


class Adapted(nn.Module):
    """A feed-forward module followed by a bottleneck adapter, which starts as the identity.

    Houlsby et al. 2019, arXiv:1902.00751.

    Args:
        inner: the module, D → D.
        width: D.
        rank: width of the bottleneck.
    """

    def __init__(self, inner: nn.Module, width: int, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``."""
        out = self.inner(hidden)
        adapted: Tensor = out + self.up(F.gelu(self.down(out)))
        return adapted


def add_adapters(upper: UpperBlocks, width: int, rank: int) -> list[nn.Parameter]:
    """Adds an adapter of this rank to each block's feed-forward module; returns their weights."""
    weights = []
    blocks: Iterable[Any] = upper.layers
    for block in blocks:
        adapted = Adapted(block.mlp, width, rank)
        block.mlp = adapted
        weights += [*adapted.down.parameters(), *adapted.up.parameters()]
    return weights


def prefix_mask(prefix: Tensor, lengths: Tensor, width: int) -> Tensor:
    """``(B, T, T)`` bool: the positions that each position reads.

    Positions of the prefix see all of it, later ones all before them. Padding is read by padding
    alone.

    Args:
        prefix: ``(B,)`` positions of the prefix.
        lengths: ``(B,)`` positions of the sequence.
        width: T.
    """
    at = torch.arange(width)
    causal = at <= at[:, None]
    inside = at < prefix[:, None]
    padding = at >= lengths[:, None]
    return (causal | inside[:, None]) & (~padding[:, None] | (causal & padding[:, :, None]))
