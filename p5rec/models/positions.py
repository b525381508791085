"""The positions of a batch's tokens: one for each code, or one for all codes of an item.

B sequences, T tokens, P positions, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from p5rec.backbones.tree_attention import Block, Blocks


@dataclass(frozen=True, eq=False)
class Positions:
    """The map from T tokens to P positions.

    Attributes:
        token_positions: ``(B, T)`` int64, the position of each token.
        first_tokens: ``(B, P)`` int64, the first token of each position; arbitrary for padding.
        real: ``(B, P)`` bool, False for padding.
    """

    token_positions: Tensor
    first_tokens: Tensor
    real: Tensor


def item_starts(ids: Tensor, first: int, sizes: Sequence[int]) -> Tensor:
    """``(B, T)`` bool: whether all L codes of an item start here, one of each level in order.

    Args:
        ids: ``(B, T)`` token ids.
        first: the token id of code 0 of level 0.
        sizes: codebook sizes, L integers.
    """
    levels = len(sizes)
    edges = first + torch.tensor([0, *sizes], device=ids.device).cumsum(0)
    level = torch.bucketize(ids, edges, right=True) - 1  # -1 and L: no code
    gaps = (level != behind(level, 1) + 1).cumsum(1)  # tokens that are not of the next level
    ends = ahead(level, levels - 1) == levels - 1
    return (level == 0) & ends & (ahead(gaps, levels - 1) == gaps)


def behind(values: Tensor, steps: int) -> Tensor:
    """``(B, T, ...)``: the value ``steps`` tokens earlier; 0 (False) before the first token."""
    return torch.cat([torch.zeros_like(values[:, :steps]), values], dim=1)[:, : values.shape[1]]


def ahead(values: Tensor, steps: int) -> Tensor:
    """``(B, T, ...)``: the value ``steps`` tokens later; 0 (False) after the last token."""
    return torch.cat([values[:, steps:], torch.zeros_like(values[:, :steps])], dim=1)


def merge(
    starts: Tensor,
    mask: Tensor,
    levels: int,
    attached: Tensor | None = None,
    *,
    at_end: bool = False,
) -> Positions:
    """Assigns one position to each word and to each item.

    Args:
        starts: ``(B, T)`` bool, where items start (:func:`item_starts`).
        mask: ``(B, T)`` bool, False for padding on either side.
        levels: L.
        attached: ``(B, T)`` bool, further tokens that share the position of the token before;
            None: there are none.
        at_end: pad positions on the left, not on the right.
    """
    count = starts.cumsum(1)
    inner = behind(count, 1) > behind(count, levels)  # an item started at most L - 1 tokens before
    if attached is not None:
        inner |= attached
    opening = mask & ~inner
    counts = opening.sum(1, keepdim=True)
    width = int(counts.max())
    order = (opening if at_end else ~opening).to(torch.int8).argsort(dim=1, stable=True)
    column = torch.arange(width, device=starts.device)
    if at_end:
        first_tokens, real, shift = order[:, -width:], column >= width - counts, width - counts
    else:
        first_tokens, real, shift = order[:, :width], column < counts, torch.zeros_like(counts)
    return Positions((opening.cumsum(1) - 1 + shift).clamp(min=0), first_tokens, real)


def restarted(documents: Tensor) -> Tensor:
    """``(B, P)``: the index of each position within its own document.

    Args:
        documents: ``(B, P)`` the document of each position; a document is contiguous.
    """
    column = torch.arange(documents.shape[1], device=documents.device)
    first_tokens = torch.ones_like(documents, dtype=torch.bool)
    first_tokens[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return column - torch.where(first_tokens, column, 0).cummax(1).values


@dataclass(frozen=True, eq=False)
class Tree:
    """What each of P positions reads where prompts continue a history as branches of a tree.

    A document reads its own earlier positions. A branch also reads the history that it continues,
    up to the position where it branches off, and no other branch.

    Attributes:
        documents: ``(B, P)`` the document of each position, -1 for padding; a document is
            contiguous.
        after: ``(B, P)`` the position that the document continues; -1: none.
    """

    documents: Tensor
    after: Tensor

    @property
    def reads(self) -> Tensor:
        """``(B, 1, P, P)`` bool: whether a position reads another."""
        column = torch.arange(self.documents.shape[1], device=self.documents.device)
        same = self.documents[:, :, None] == self.documents[:, None]
        own = same & (column <= column[:, None])
        first = self._root[..., None]
        return (own | ((column >= first) & (column <= self.after[..., None])))[:, None]

    @property
    def numbers(self) -> Tensor:
        """``(B, P)``: the index of each position in the sequence from the beginning of the history
        to it."""
        return restarted(self.documents) + self.after - self._root + 1

    def blocks(self) -> Blocks:
        """What is read, as blocks: histories, then branches by length."""
        length = self.documents.shape[1]
        place = restarted(self.documents)
        starts = (place == 0).flatten().nonzero()[:, 0]  # (M,) where documents start
        lengths = starts.diff(append=starts.new_tensor([place.numel()]))
        after, root = (each.flatten()[starts] for each in (self.after, self._root))
        real = self.documents.flatten()[starts] >= 0
        row = starts // length * length
        begin, seen = row + root, torch.where(after < 0, 0, after - root + 1)
        size = lengths.clamp(min=8).log2().ceil().long()  # of a branch; 0 for a history
        size = torch.where(seen > 0, size, 0)[real]
        chosen = torch.stack([begin, seen, starts, lengths], dim=1)[real]
        parts, row_of, rows = [], torch.full_like(place.flatten(), -1), 0
        for each in size.unique().tolist():
            block, own = _block(*chosen[size == each].unbind(1))
            row_of[block.queries[own]] = rows + own.flatten().nonzero()[:, 0]
            parts.append(block)
            rows += own.numel()
        return Blocks(parts, torch.where(row_of < 0, rows, row_of))

    @property
    def _root(self) -> Tensor:
        """``(B, P)``: the first position of the history that a branch continues; 0 for none."""
        column = torch.arange(self.documents.shape[1], device=self.documents.device)
        first = column - restarted(self.documents)
        return torch.where(self.after < 0, 0, first.gather(1, self.after.clamp(min=0)))


def _block(begin: Tensor, seen: Tensor, start: Tensor, length: Tensor) -> tuple[Block, Tensor]:
    """The block of M documents, and which of its queries ``(M, L)`` are no padding.

    Args:
        begin: the first position of the history that each continues.
        seen: the number of positions of it that each reads.
        start, length: of the document.
    """
    column = torch.arange(int(length.max()), device=start.device)
    before = torch.arange(int(seen.max()), device=start.device)
    real = column < length[:, None]
    own, earlier = start[:, None] + column * real, before < seen[:, None]
    keys = torch.cat([begin[:, None] + before * earlier, own], dim=1)
    causal = (column <= column[:, None]).expand(len(start), -1, -1)
    reads = torch.cat([earlier[:, None].expand(-1, len(column), -1), causal], dim=2)
    return Block(own, keys, reads), real


def any_in_document(marks: Tensor, documents: Tensor | None) -> Tensor:
    """``(B, T)`` bool: whether any token of the same document is marked.

    Args:
        marks: ``(B, T)`` bool.
        documents: ``(B, T)`` the document of each token, from 0 on, -1 for padding; None: a
            sequence is one document.
    """
    if documents is None:
        return marks.any(1, keepdim=True).expand_as(marks)
    documents = documents + 1
    counts = torch.zeros(len(marks), int(documents.max()) + 1, device=marks.device)
    return counts.scatter_add(1, documents, marks.float()).gather(1, documents) > 0
