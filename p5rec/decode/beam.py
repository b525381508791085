"""Beam search down the item tree, for all requests at once; it knows no model.

B requests, K beams, F the largest fan-out of a level, C_l codes at level l, N items.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

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


@torch.no_grad()
def beam_search(
    scorer: Scorer, trie: Trie, beams: int, *, k: int, alive: Tensor | None, tie: Tensor
) -> tuple[Tensor, Tensor]:
    """The k best items of each request.

    An item's score is the float32 sum of its codes' log-probabilities, first level first. Nodes
    without an allowed item below are never entered, so each beam kept leads to an item and each
    list holds ``min(k, allowed items)`` of them. With at least as many beams as any level has
    nodes nothing is pruned and the answer is exact.

    Args:
        scorer: the model's side.
        trie: the items, on the scorer's device.
        beams: the most beams kept at a level.
        k: length of the lists.
        alive: ``(B, N)`` bool, the items each request may be given; None for all.
        tie: ``(N,)`` a permutation; of equal scores the smaller value comes first, between
            prefixes the one that leads to the smallest.

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
    if alive is None:
        alive = torch.ones(requests, len(trie), dtype=torch.bool, device=device)
    allowed, ranks = trie.alive_nodes(alive), trie.smallest_below(tie)
    nodes = torch.zeros(requests, 1, dtype=torch.int64, device=device)
    scores = torch.zeros(requests, 1, dtype=torch.float32, device=device)
    for level in range(trie.levels):
        _check_shape(log_probs, (*nodes.shape, trie.sizes[level]), level)
        # 1. the children of every beam, padded to the largest fan-out (B, K, F)
        child, exists = trie.children(level, nodes)
        # 2. their scores; what does not exist, is not allowed, or extends a surplus beam is -inf
        entered = exists & allowed[level + 1].gather(1, child.flatten(1)).view_as(child)
        entered &= scores.isfinite()[..., None]
        gain = log_probs.float().gather(2, trie.codes[level][child])
        if not torch.isfinite(gain[entered]).all():
            raise ValueError(f"level {level}: expected finite log-probabilities, got nan or inf")
        total = torch.where(entered, scores[..., None] + gain, -torch.inf).flatten(1)
        # 3. the best of all beams together
        child = child.flatten(1)
        keep = min(beams, child.shape[1], len(trie.codes[level]))
        picked = _best(total, ranks[level + 1][child], keep)
        nodes, scores = child.gather(1, picked), total.gather(1, picked)
        if level + 1 < trie.levels:
            log_probs = scorer.step(trie.codes[level][nodes], picked // trie.fanout[level])
    items = torch.where(scores.isfinite(), trie.leaf_item[nodes], -1)
    pad = (0, max(0, k - items.shape[1]))
    pad_with = torch.nn.functional.pad
    return pad_with(items, pad, value=-1)[:, :k], pad_with(scores, pad, value=-torch.inf)[:, :k]


def _best(scores: Tensor, ranks: Tensor, keep: int) -> Tensor:
    """Positions ``(B, keep)`` of the largest scores ``(B, M)``, the smaller rank first in a tie.

    Score and rank go into one integer key, so that the order does not hang on how a device's top-k
    happens to break ties. Read as integers, non-negative floats keep their order and negative
    ones reverse it; the two zeros would differ, but a sum that began at +0 is never -0.
    """
    bits = scores.view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return ((ordered << 32) - ranks).topk(keep, dim=1).indices


def _check_shape(log_probs: Tensor, expected: tuple[int, ...], level: int) -> None:
    if log_probs.shape != expected:
        got = tuple(log_probs.shape)
        raise ValueError(f"level {level}: expected log-probabilities {expected}, got {got}")
