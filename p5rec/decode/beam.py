"""Beam search down the item tree, for all requests at once; it knows no model.

B requests, K beams, F the largest fan-out of a level, C_l codes at level l, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .allowed import OpenNodes
from .sampling import Draws
from .trie import Trie


class Scorer(Protocol):
    """What a model must answer. What it says of codes that a node has is finite."""

    def start(self) -> Tensor:
        """``(B, C_0)`` log-probabilities of the first code of each request."""
        ...

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """Log-probabilities of the next code.

        Args:
            codes: ``(B, K)`` int64, the code each beam just took.
            parents: ``(B, K)`` int64, which beam of the step before it extends (all 0 at the
                first step: the request itself). K may differ from step to step.

        Returns:
            ``(B, K, C_l)`` over the codes of the next level.
        """
        ...


@dataclass(frozen=True)
class Cap:
    """Diversity: a list holds at most ``items`` items whose first ``depth`` codes are equal."""

    depth: int
    items: int


@torch.no_grad()
def beam_search(
    scorer: Scorer,
    trie: Trie,
    beams: int,
    *,
    k: int,
    ranks: Sequence[Tensor],
    open_nodes: OpenNodes | None = None,
    cap: Cap | None = None,
    draws: Draws | None = None,
) -> tuple[Tensor, Tensor]:
    """The k best items of each request.

    An item's score is the float32 sum of its codes' log-probabilities, first level first. Nodes
    without an allowed item below are never entered, so each beam kept leads to an item and each
    list holds ``min(k, allowed items)`` of them, or as many as ``cap`` lets it hold. With at least
    as many beams as any level has nodes nothing is pruned and the answer is exact.

    Args:
        scorer: the model's side.
        trie: the items, on the scorer's device.
        beams: the most beams kept at a level.
        k: length of the lists.
        ranks: ``trie.smallest_below`` of a permutation of the items: of equal scores the item with
            the smaller value comes first, between prefixes the one that leads to the smallest.
        open_nodes: the items each request may be given; None for all.
        cap: keeps lists from crowding below few prefixes.
        draws: draws the items without replacement in place of taking the best; a list is then in
            the order in which they were drawn.

    Returns:
        Items ``(B, k)`` int64, best first, -1 where the list ended early; their scores
        ``(B, k)`` float32, -inf there.

    Raises:
        ValueError: fewer beams than k, or an answer of the scorer of wrong shape or not finite.
    """
    if beams < k:
        raise ValueError(f"expected at least k = {k} beams, got {beams}; raise beams or lower k")
    log_probs = scorer.start()[:, None]
    requests, device = len(log_probs), log_probs.device
    nodes = torch.zeros(requests, 1, dtype=torch.int64, device=device)
    scores = torch.zeros(requests, 1, dtype=torch.float32, device=device)
    keys, prefix, broken = scores, nodes, []
    for level in range(trie.levels):
        _check_shape(log_probs, (*nodes.shape, trie.sizes[level]), level)
        # 1. the children of every beam, padded to the largest fan-out (B, K, F)
        child, entered = trie.children(level, nodes)
        fan = child.shape[2]
        entered = entered & scores.isfinite()[..., None]  # not what extends a surplus beam
        if open_nodes is not None:
            entered &= open_nodes(level + 1, child.flatten(1)).view_as(child)
        # 2. their scores, and what they are ranked by; what is not entered is -inf
        gain = log_probs.float().gather(2, trie.codes[level][child])
        total = torch.where(entered, scores[..., None] + gain, -torch.inf)
        broken.append((total.isfinite() != entered).any())
        by = total if draws is None else draws(level, child, total, keys)
        child, total, by = child.flatten(1), total.flatten(1), by.flatten(1)
        # 3. the best of all beams together
        keep = min(beams, child.shape[1], len(trie.codes[level]))
        if cap is None:
            picked = _best(by, ranks[level + 1][child], keep)
        else:
            prefix = child if level < cap.depth else prefix.repeat_interleave(fan, dim=1)
            picked, within = _diverse(by, ranks[level + 1][child], keep, prefix, cap.items)
            if level + 1 == trie.levels:
                by = by.masked_fill(~within, -torch.inf)
        nodes, keys = child.gather(1, picked), by.gather(1, picked)
        scores = total.gather(1, picked).masked_fill(keys.isneginf(), -torch.inf)
        prefix = prefix.gather(1, picked) if cap is not None else prefix
        if level + 1 < trie.levels:
            log_probs = scorer.step(trie.codes[level][nodes], picked // fan)
    if True in (found := torch.stack(broken).tolist()):  # asked once: a GPU need not wait before
        level = found.index(True)
        raise ValueError(f"level {level}: expected finite log-probabilities, got nan or inf")
    items = torch.where(scores.isfinite(), trie.leaf_item[nodes], -1)
    return padded(items, k, -1), padded(scores, k, -torch.inf)


def padded(rows: Tensor, k: int, value: float) -> Tensor:
    """``(B, n)`` → its first k columns ``(B, k)``, filled up with ``value``."""
    return torch.nn.functional.pad(rows, (0, max(0, k - rows.shape[1])), value=value)[:, :k]


def _best(scores: Tensor, ranks: Tensor, keep: int) -> Tensor:
    """Positions ``(B, keep)`` of the largest scores ``(B, M)``, the smaller rank first in a tie."""
    return _keys(scores, ranks).topk(keep, dim=1).indices


def _keys(scores: Tensor, ranks: Tensor) -> Tensor:
    """Scores ``(B, M)`` and ranks as one integer, the larger the better.

    So that the order does not hang on how a device's top-k happens to break ties. Read as integers,
    non-negative floats keep their order and negative ones reverse it; the two zeros would differ,
    but a sum that began at +0 is never -0.
    """
    bits = scores.view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (ordered << 32) - ranks


def _diverse(
    scores: Tensor, ranks: Tensor, keep: int, prefix: Tensor, most: int
) -> tuple[Tensor, Tensor]:
    """As :func:`_best`, but the best ``most`` below each prefix ``(B, M)`` come before all others.

    What comes first is enough to fill a list; what fills the other beams may still lead to better
    items below the same prefixes.

    Returns:
        Positions ``(B, keep)``, and ``(B, M)`` bool: which are among the best of their prefix.
    """
    order = _keys(scores, ranks).argsort(dim=1, descending=True)
    by_prefix = prefix.gather(1, order).argsort(dim=1, stable=True)
    at = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    own = prefix.gather(1, order).gather(1, by_prefix)
    new = torch.ones_like(order, dtype=torch.bool)
    new[:, 1:] = own[:, 1:] != own[:, :-1]
    nth = at - torch.where(new, at, 0).cummax(1).values
    within = torch.zeros_like(new).scatter(1, order.gather(1, by_prefix), nth < most)
    first = within.gather(1, order) & scores.gather(1, order).isfinite()
    picked = order.gather(1, first.to(torch.int8).argsort(dim=1, descending=True, stable=True))
    return picked[:, :keep], within


def _check_shape(log_probs: Tensor, expected: tuple[int, ...], level: int) -> None:
    if log_probs.shape != expected:
        got = tuple(log_probs.shape)
        raise ValueError(f"level {level}: expected log-probabilities {expected}, got {got}")
