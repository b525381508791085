"""Every item scored in full: what a search down the tree is measured against.

It shares no step with the search: no tree, no cached prefix, no pruning.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .beam import padded


@torch.no_grad()
def exhaustive(
    score: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    k: int,
    alive: Tensor | None,
    tie: Tensor,
    chunk: int = 256,
) -> tuple[Tensor, Tensor]:
    """The k best items of each request.

    Args:
        score: codes of M items ``(M, L)`` → their scores ``(B, M)``.
        codes: ``(N, L)`` int64.
        k: length of the lists.
        alive: ``(B, N)`` bool, the items each request may be given; None for all.
        tie: ``(N,)`` a permutation; of equal scores the smaller value comes first.
        chunk: items scored at a time.

    Returns:
        Items ``(B, k)`` int64, best first, -1 where the list ended early; their scores
        ``(B, k)`` float32, -inf there.
    """
    scores = torch.cat([score(part).float() for part in codes.split(chunk)], dim=1)
    if alive is not None:
        scores = scores.masked_fill(~alive, -torch.inf)
    by_tie = tie.argsort()
    ranked = scores[:, by_tie].sort(dim=1, descending=True, stable=True)
    items = torch.where(ranked.values.isfinite(), by_tie[ranked.indices], -1)
    return padded(items, k, -1), padded(ranked.values, k, -torch.inf)
