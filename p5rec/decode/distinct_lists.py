"""Lists of different texts that a model writes one after the other, out of a set of each request.

A list of titles is one sequence of tokens. The search runs in the tree of the titles: it enters
nodes alone below which a title is allowed and not yet in the list, and returns to the root at the
end of a title. So every list is valid, without repeats, and inside the set of its request.

B requests, K beams, F the largest fan-out, N texts, V tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .allowed import Allowed, OpenLeaves
from .beam import sort_keys
from .token_tree import TokenTree


class TextScorer(Protocol):
    """The interface of a model that has read B prompts."""

    def logits(self, rows: Tensor) -> Tensor:
        """``(n, V)``: the logits of the next token of n beams, selected by ``rows (B, K)`` bool."""
        ...

    def step(self, tokens: Tensor, parents: Tensor) -> None:
        """Reads one more token of each beam.

        Args:
            tokens: ``(B, K)`` int64, of each beam.
            parents: ``(B, K)`` int64, the beam of the step before that each beam extends. K may
                differ between steps; it is 1 before the first.
        """
        ...


@dataclass(frozen=True, eq=False)
class DistinctLists:
    """B lists of at most k items.

    Attributes:
        items: ``(B, k)`` int64, in the order of writing; -1 after the end of a shorter list.
        scores: ``(B, k)`` float32, the log-probability of each item after the earlier ones, among
            the items that are still possible; -inf after the end.
        tokens: ``(B,)`` int64, the length of each list in tokens.
    """

    items: Tensor
    scores: Tensor
    tokens: Tensor


@dataclass
class _Beams:
    """The beams of B requests; at first one beam each.

    Attributes:
        nodes: ``(B, K)`` the node of each beam; the root between two items.
        total: ``(B, K)`` float32, the log-probability of the list; -inf for a surplus beam.
        count: ``(B, K)`` complete items of the list.
        leaves: ``(B, K, k)`` these items; -1 from ``count`` on.
        gains: ``(B, K, k)`` float32, the log-probability of each item, the current one included.
        tokens: ``(B, K)`` the tokens of the list.
    """

    nodes: Tensor
    total: Tensor
    count: Tensor
    leaves: Tensor
    gains: Tensor
    tokens: Tensor

    @classmethod
    def start(cls, requests: int, k: int, device: torch.device) -> _Beams:
        none = torch.zeros(requests, 1, dtype=torch.int64, device=device)
        empty = none[..., None].expand(-1, -1, k)
        return cls(none, none.float(), none, empty - 1, empty.float(), none)

    def live(self, length: Tensor) -> Tensor:
        """``(B, K)`` bool: beams whose list is shorter than ``length (B, 1)``."""
        return (self.count < length) & self.total.isfinite()

    def take(self, parents: Tensor) -> _Beams:
        """The beams ``parents (B, K')``."""

        def taken(value: Tensor) -> Tensor:
            own = parents.view(*parents.shape, *([1] * (value.ndim - 2)))
            return value.gather(1, own.expand(-1, -1, *value.shape[2:]))

        return _Beams(*(taken(value) for value in vars(self).values()))


@torch.no_grad()
def distinct_lists(
    scorer: TextScorer, tree: TokenTree, k: int, requests: int, allowed: Allowed, *, beams: int = 1
) -> DistinctLists:
    """A list of ``min(k, allowed items)`` different items for each request.

    With one beam, decoding is greedy. With more, the list with the largest log-probability is
    chosen; that of a token is taken among the tokens that lead to a possible item, so a token
    without an alternative costs nothing.

    Args:
        scorer: the model, after B prompts.
        tree: of the texts, on the scorer's device.
        k: most items of a list.
        requests: B.
        allowed: the items of each request.
        beams: K, lists that are compared at each step.

    Raises:
        ValueError: a logit is not finite.
    """
    device, open_leaves = tree.token.device, OpenLeaves(tree.leaf_item, allowed)
    wanted = np.minimum(allowed.counts(requests, len(tree.leaf_item)), k)
    length = torch.from_numpy(wanted)[:, None].to(device)
    now = _Beams.start(requests, k, device)
    live = now.live(length)
    while bool(live.any()):
        child, gain = _options(scorer, tree, open_leaves, now, live)
        now, tokens, parents = _extended(tree, now, live, child, gain, beams)
        live = now.live(length)
        if bool(live.any()):
            scorer.step(tokens, parents)
    best = now.take(torch.zeros_like(length))
    items = tree.leaf_item[best.leaves[:, 0].clamp(min=0)]
    empty = best.leaves[:, 0] < 0
    return DistinctLists(
        items.masked_fill(empty, -1),
        best.gains[:, 0].masked_fill(empty, -torch.inf),
        best.tokens[:, 0],
    )


def _options(
    scorer: TextScorer, tree: TokenTree, allowed: OpenLeaves, now: _Beams, live: Tensor
) -> tuple[Tensor, Tensor]:
    """The next nodes of each beam ``(B, K, F)`` and their log-probabilities, -inf if closed."""
    child, exists = tree.children(torch.where(live, now.nodes, 0))
    first, last = tree.leaf_first[child], tree.leaf_last[child]
    free = allowed.between(first.flatten(1), last.flatten(1)).view_as(child)
    for position in range(int(now.count.max())):  # leaves that are in the list already
        used = now.leaves[:, :, position, None]
        free = free - ((first <= used) & (used < last)).long()
    is_open = exists & live[..., None] & (free > 0)
    gain = torch.zeros_like(child, dtype=torch.float32)
    several = is_open.sum(2) > 1
    if bool(several.any()):
        logits = scorer.logits(several).float().gather(1, tree.token[child[several]].clamp(min=0))
        if not bool(logits[is_open[several]].isfinite().all()):
            raise ValueError("expected finite logits, got nan or inf")
        gain[several] = logits.masked_fill(~is_open[several], -torch.inf).log_softmax(1)
    return child, gain.masked_fill(~is_open, -torch.inf)


def _extended(
    tree: TokenTree, now: _Beams, live: Tensor, child: Tensor, gain: Tensor, beams: int
) -> tuple[_Beams, Tensor, Tensor]:
    """The best ``beams`` continuations, their last tokens and parents, each ``(B, K')``.

    A complete list stays as it is.
    """
    fan = child.shape[2]
    gain[..., 0] = torch.where(live, gain[..., 0], 0.0)  # the one continuation of a complete list
    total = (now.total[..., None] + gain).flatten(1)
    keys = sort_keys(total, tree.rank[child].flatten(1))
    picked = keys.sort(dim=1, descending=True, stable=True).indices[:, :beams]
    parents = picked // fan
    after, moved = now.take(parents), live.gather(1, parents)
    after.total = total.gather(1, picked)
    nodes, own = child.flatten(1).gather(1, picked), gain.flatten(1).gather(1, picked)
    moved &= after.total.isfinite()
    ended = moved & tree.ends[nodes]
    at = after.count.clamp(max=after.leaves.shape[2] - 1)[..., None]
    gains = after.gains.gather(2, at) + own[..., None]
    after.gains = torch.where(moved[..., None], after.gains.scatter(2, at, gains), after.gains)
    leaves = after.leaves.scatter(2, at, tree.leaf_first[nodes][..., None])
    after.leaves = torch.where(ended[..., None], leaves, after.leaves)
    after.count, after.tokens = after.count + ended, after.tokens + moved
    after.nodes = nodes.masked_fill(ended | ~moved, 0)
    return after, torch.where(moved, tree.token[nodes], 0), parents
