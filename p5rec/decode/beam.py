"""Beam search in the item tree, batched over requests and independent of the model.

B requests, K beams, F the largest fan-out of a level, C_l codes at level l, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .allowed import OpenNodes
from .stochastic_beam import GumbelNoise
from .trie import Trie


class Scorer(Protocol):
    """The interface of a model; log-probabilities of codes that lead to an item are finite."""

    def start(self) -> Tensor:
        """``(B, C_0)`` log-probabilities of the first code of each request."""
        ...

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """Log-probabilities of the next code.

        Args:
            codes: ``(B, K)`` int64, the last code of each beam.
            parents: ``(B, K)`` int64, the beam of the step before that each beam extends; all 0 at
                the first step. K may differ between steps.

        Returns:
            ``(B, K, C_l)`` over the codes of the next level.
        """
        ...


@dataclass(frozen=True)
class Cap:
    """Diversity: a list has at most ``items`` items with equal first ``depth`` codes."""

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
    noise: GumbelNoise | None = None,
) -> tuple[Tensor, Tensor]:
    """The k best items of each request.

    An item's score is the float32 sum of its codes' log-probabilities, first level first. The
    search enters open nodes alone, so each beam leads to an allowed item and each list has ``min(k,
    allowed items)`` items, or fewer under ``cap``. If the number of beams is at least the number of
    nodes of every level, nothing is pruned and the result is exact.

    Args:
        scorer: the model.
        trie: the item tree, on the scorer's device.
        beams: number of beams per level.
        k: length of the lists.
        ranks: ``trie.subtree_min`` of a permutation of the items. Among equal scores, the item with
            the smaller value comes first; prefixes compare by the smallest value in their subtree.
        open_nodes: nodes with allowed items; None: all nodes.
        cap: limits the items per prefix.
        noise: samples items without replacement instead of taking the best; lists are then in
            sampling order.

    Returns:
        Items ``(B, k)`` int64, best first, -1 after the end of a shorter list; their scores
        ``(B, k)`` float32, -inf after the end.

    Raises:
        ValueError: fewer beams than k, or log-probabilities of a wrong shape or not finite.
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
        entered = entered & scores.isfinite()[..., None]  # surplus beams have score -inf
        if open_nodes is not None:
            entered &= open_nodes(level + 1, child.flatten(1)).view_as(child)
        # 2. their scores and sort keys; nodes that are not entered get -inf
        gain = log_probs.float().gather(2, trie.codes[level][child])
        total = torch.where(entered, scores[..., None] + gain, -torch.inf)
        broken.append((total.isfinite() != entered).any())
        key = total if noise is None else noise(level, child, total, keys)
        child, total, key = child.flatten(1), total.flatten(1), key.flatten(1)
        # 3. the best of all beams together
        width = min(beams, child.shape[1], len(trie.codes[level]))
        if cap is None:
            picked = _best(key, ranks[level + 1][child], width)
        else:
            prefix = child if level < cap.depth else prefix.repeat_interleave(fan, dim=1)
            picked, within = _diverse(key, ranks[level + 1][child], width, prefix, cap.items)
            if level + 1 == trie.levels:
                key = key.masked_fill(~within, -torch.inf)
        nodes, keys = child.gather(1, picked), key.gather(1, picked)
        scores = total.gather(1, picked).masked_fill(keys.isneginf(), -torch.inf)
        prefix = prefix.gather(1, picked) if cap is not None else prefix
        if level + 1 < trie.levels:
            log_probs = scorer.step(trie.codes[level][nodes], picked // fan)
    if True in (levels := torch.stack(broken).tolist()):  # one GPU synchronisation for all levels
        level = levels.index(True)
        raise ValueError(f"level {level}: expected finite log-probabilities, got nan or inf")
    items = torch.where(scores.isfinite(), trie.leaf_item[nodes], -1)
    return padded(items, k, -1), padded(scores, k, -torch.inf)


def padded(rows: Tensor, k: int, value: float) -> Tensor:
    """``(B, n)`` → its first k columns ``(B, k)``, padded with ``value``."""
    return torch.nn.functional.pad(rows, (0, max(0, k - rows.shape[1])), value=value)[:, :k]


def _best(scores: Tensor, ranks: Tensor, count: int) -> Tensor:
    """Positions ``(B, count)`` of the largest scores ``(B, M)``; smaller ranks win ties."""
    return sort_keys(scores, ranks).topk(count, dim=1).indices


def sort_keys(scores: Tensor, ranks: Tensor) -> Tensor:
    """Scores ``(B, M)`` and ranks as one integer sort key; larger is better.

    With unique keys, the order does not depend on how a device breaks ties. As integers,
    non-negative floats keep their order and negative floats reverse it. The two zeros would differ,
    but a sum that starts at +0 is never -0.
    """
    bits = scores.view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (ordered << 32) - ranks


def _diverse(
    scores: Tensor, ranks: Tensor, count: int, prefix: Tensor, most: int
) -> tuple[Tensor, Tensor]:
    """As :func:`_best`, but the best ``most`` of each prefix ``(B, M)`` come before all others.

    These suffice to fill a list. The remaining beams may still lead to better items of the same
    prefixes.

    Returns:
        Positions ``(B, count)``, and ``(B, M)`` bool: entries among the best of their prefix.
    """
    order = sort_keys(scores, ranks).argsort(dim=1, descending=True)
    by_prefix = prefix.gather(1, order).argsort(dim=1, stable=True)
    at = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    own = prefix.gather(1, order).gather(1, by_prefix)
    new = torch.ones_like(order, dtype=torch.bool)
    new[:, 1:] = own[:, 1:] != own[:, :-1]
    nth = at - torch.where(new, at, 0).cummax(1).values
    within = torch.zeros_like(new).scatter(1, order.gather(1, by_prefix), nth < most)
    first = within.gather(1, order) & scores.gather(1, order).isfinite()
    picked = order.gather(1, first.to(torch.int8).argsort(dim=1, descending=True, stable=True))
    return picked[:, :count], within


def _check_shape(log_probs: Tensor, expected: tuple[int, ...], level: int) -> None:
    if log_probs.shape != expected:
        got = tuple(log_probs.shape)
        raise ValueError(f"level {level}: expected log-probabilities {expected}, got {got}")
