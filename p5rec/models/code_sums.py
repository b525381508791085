"""Sums of code embeddings: the vectors of items that are known by their codes.

N items, L codes each, C codes in all, D width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


class Members(NamedTuple):
    """The items of each code, for the gradient of their sums.

    Attributes:
        items: ``(N * L,)`` int64, the items of code 0, then those of code 1, ...
        starts: ``(C,)`` int64, the first entry of each code.
    """

    items: Tensor
    starts: Tensor

    @classmethod
    def of(cls, codes: Tensor, count: int) -> Members:
        """The members of ``count`` codes, of items with ``codes (N, L)``."""
        flat = codes.flatten()
        sizes = torch.bincount(flat, minlength=count)
        order = torch.argsort(flat, stable=True)
        return cls(order // codes.shape[1], sizes.cumsum(0) - sizes)


def code_sums(embeddings: Tensor, codes: Tensor, members: Members | None = None) -> Tensor:
    """``(N, D)``: the sum of the embeddings of each item's codes.

    Its gradient is a sum over the members of each code, in their order, so it is as fast as the sum
    itself and the same in every run.

    Args:
        embeddings: ``(C, D)``.
        codes: ``(N, L)`` int64.
        members: of ``codes``; None: they are found when a gradient is computed.
    """
    total: Tensor = _CodeSums.apply(embeddings, codes, members)  # type: ignore[no-untyped-call]
    return total


class _CodeSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, codes: Tensor, members: Members | None) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.members, ctx.count = members, len(embeddings)
        return embedding_bag(codes, embeddings, mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (codes,) = ctx.saved_tensors
        members = ctx.members or Members.of(codes, ctx.count)
        return (
            embedding_bag(members.items, grads[0].contiguous(), members.starts, mode="sum"),
            None,
            None,
        )
