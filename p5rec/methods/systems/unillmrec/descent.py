"""The batched descent of the item tree: a ranker orders the children of the nodes that are kept.

All requests descend together, one level at a time, and all requests at a node form one batch. B
requests, M inner nodes, N items, C children of a node, F pairs of a request and a node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from p5rec.data.item_tree import ItemTree

# (node, requests (n,)) → (n, C) log-probabilities of the node's children
RankChildren = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class _Entries:
    """Edges that requests have reached.

    Attributes:
        requests: ``(F,)``.
        edges: ``(F,)``.
        scores: ``(F,)`` float64, log-probabilities of the paths.
        counts: ``(F,)`` allowed items below each edge.
    """

    requests: np.ndarray
    edges: np.ndarray
    scores: np.ndarray
    counts: np.ndarray

    def take(self, rows: np.ndarray) -> _Entries:
        """The entries ``rows``."""
        return _Entries(*(each[rows] for each in vars(self).values()))


def descend(
    tree: ItemTree, rank_children: RankChildren, allowed: np.ndarray, beams: int, k: int
) -> np.ndarray:
    """Item scores: log-probabilities of the paths from the root, -inf where no path was followed.

    At each level a request keeps its ``beams`` best nodes, and as many more of the best as it takes
    to reach ``k`` allowed items; so every request reaches ``min(k, allowed items)`` or more. Nodes
    without allowed items are not entered.

    Args:
        tree: of N items.
        rank_children: the ranker. It is called once for each node that is kept.
        allowed: ``(B, N)`` bool, the items that each request may be given.
        beams: at least 1.
        k: items that each request needs.

    Returns:
        ``(B, N)`` float32.
    """
    n_requests, n_items = allowed.shape
    before = np.zeros((n_requests, n_items + 1), dtype=np.int64)  # allowed items, depth first
    np.cumsum(allowed[:, tree.order], axis=1, out=before[:, 1:])
    found = np.full((n_requests, n_items), -np.inf, dtype=np.float32)
    requests = np.flatnonzero(before[:, -1])
    nodes, scores = np.zeros(len(requests), dtype=np.int64), np.zeros(len(requests))
    while len(requests):
        reached = _children(tree, rank_children, before, (requests, nodes, scores))
        below = tree.children[reached.edges]
        leaf = below < 0
        found[reached.requests[leaf], ~below[leaf]] = reached.scores[leaf]
        kept = _best(reached.take(np.flatnonzero(~leaf)), np.isfinite(found).sum(1), beams, k)
        requests, nodes, scores = kept.requests, tree.children[kept.edges], kept.scores
    return found


def _children(
    tree: ItemTree,
    rank_children: RankChildren,
    before: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> _Entries:
    """The edges below ``(requests, nodes, scores)``, each ``(F,)``, with allowed items."""
    parts = []
    for node in np.unique(pairs[1]).tolist():
        own, _, scores = (each[pairs[1] == node] for each in pairs)
        edges = np.arange(len(tree.children))[tree.edges(node)]
        total = scores[:, None] + rank_children(node, own)
        begin, end = tree.spans[edges].T
        counts = before[own][:, end] - before[own][:, begin]
        row, column = np.nonzero(counts)
        parts.append((own[row], edges[column], total[row, column], counts[row, column]))
    return _Entries(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _best(reached: _Entries, found: np.ndarray, beams: int, k: int) -> _Entries:
    """The best entries of each request: ``beams``, or as many as it takes to have ``k`` items.

    Args:
        found: ``(B,)`` the items that each request already has.
    """
    order = np.lexsort((reached.edges, -reached.scores, reached.requests))
    ranked = reached.take(order)
    first = np.searchsorted(ranked.requests, ranked.requests)  # of the entry's request
    place = np.arange(len(order)) - first
    total = np.cumsum(ranked.counts) - ranked.counts
    so_far = found[ranked.requests] + total - total[first]
    return ranked.take(np.flatnonzero((place < beams) | (so_far < k)))
