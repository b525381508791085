"""Where the tokens of a batch stand: item codes one by one, or all codes of an item in one place.

B requests, T tokens, P positions, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Positions:
    """How T tokens become P positions.

    Attributes:
        places: ``(B, T)`` int64, the position of each token.
        opens: ``(B, P)`` int64, the first token of each position; any token where there is none.
        real: ``(B, P)`` bool, whether there is one.
    """

    places: Tensor
    opens: Tensor
    real: Tensor


def whole_items(ids: Tensor, first: int, sizes: Sequence[int]) -> Tensor:
    """``(B, T)`` bool: where all L codes of an item begin, one of each level in order.

    Args:
        ids: ``(B, T)`` token ids.
        first: the token id of code 0 of level 0.
        sizes: codebook sizes, L integers.
    """
    whole = torch.ones_like(ids, dtype=torch.bool)
    start = first
    for level, size in enumerate(sizes):
        whole &= ahead((ids >= start) & (ids < start + size), level)
        start += size
    return whole


def behind(values: Tensor, steps: int) -> Tensor:
    """``(B, T, ...)``: the value ``steps`` tokens earlier; 0 (False) before the beginning."""
    return torch.cat([torch.zeros_like(values[:, :steps]), values], dim=1)[:, : values.shape[1]]


def ahead(values: Tensor, steps: int) -> Tensor:
    """``(B, T, ...)``: the value ``steps`` tokens later; 0 (False) beyond the end."""
    return torch.cat([values[:, steps:], torch.zeros_like(values[:, :steps])], dim=1)


def merge(
    whole: Tensor,
    mask: Tensor,
    levels: int,
    marks: Tensor | None = None,
    *,
    at_end: bool = False,
) -> Positions:
    """One position for each word and for each whole item.

    Args:
        whole: ``(B, T)`` bool, where whole items begin (:func:`whole_items`).
        mask: ``(B, T)`` bool, False for padding on either side.
        levels: L.
        marks: ``(B, T)`` bool, further tokens that share the position of the one before; None:
            there are none.
        at_end: let the last positions be the real ones, not the first.
    """
    inner = torch.zeros_like(whole) if marks is None else marks.clone()
    for level in range(1, levels):
        inner[:, level:] |= whole[:, : whole.shape[1] - level]
    opening = mask & ~inner
    counts = opening.sum(1, keepdim=True)
    width = int(counts.max())
    order = (opening if at_end else ~opening).to(torch.int8).argsort(dim=1, stable=True)
    column = torch.arange(width, device=whole.device)
    if at_end:
        opens, real, shift = order[:, -width:], column >= width - counts, width - counts
    else:
        opens, real, shift = order[:, :width], column < counts, torch.zeros_like(counts)
    return Positions((opening.cumsum(1) - 1 + shift).clamp(min=0), opens, real)


def restarted(documents: Tensor) -> Tensor:
    """``(B, P)``: where each position stands in its own document.

    Args:
        documents: ``(B, P)`` the document of each position; those of one lie side by side.
    """
    column = torch.arange(documents.shape[1], device=documents.device)
    opens = torch.ones_like(documents, dtype=torch.bool)
    opens[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return column - torch.where(opens, column, 0).cummax(1).values


def row_has(marks: Tensor, documents: Tensor | None) -> Tensor:
    """``(B, T)`` bool: whether any token of the same row is marked.

    Args:
        marks: ``(B, T)`` bool.
        documents: ``(B, T)`` the row of each token, from 0 on; None: a line is a row.
    """
    if documents is None:
        return marks.any(1, keepdim=True).expand_as(marks)
    rows = torch.zeros(len(marks), int(documents.max()) + 1, device=marks.device)
    return rows.scatter_add(1, documents, marks.float()).gather(1, documents) > 0
