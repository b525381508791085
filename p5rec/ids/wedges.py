"""The sunburst layout of the code tree: angles are item shares, rings are levels.

If there are too many nodes, the smallest nodes of each parent are folded into one wedge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.item_codes import ItemCodes

from .prefixes import prefix_groups, rank_in_run

RINGS = 3  # at most


@dataclass(frozen=True, eq=False)
class Wedges:
    """W wedges, ring by ring, each ring in order of angle.

    Children follow the order of their codes, folded ones come last. A wedge spans the turn from
    ``first / N`` to ``(first + items) / N``.

    Attributes:
        ring: ``(W,)`` int64, 0 at the first level.
        parent: ``(W,)`` int64, the wedge of the parent node; -1 in the first ring.
        code: ``(W,)`` int64, its last code; -1 for folded nodes.
        node: ``(W,)`` int64, its number among the prefixes of its level; -1 for folded nodes.
        nodes: ``(W,)`` int64, the number of nodes in the wedge; 1 without folding.
        first, items: ``(W,)`` int64, the items of the wedge are ``order[first : first + items]``.
        order: ``(N,)`` int64 item rows, clockwise.
    """

    ring: np.ndarray
    parent: np.ndarray
    code: np.ndarray
    node: np.ndarray
    nodes: np.ndarray
    first: np.ndarray
    items: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.ring)

    @property
    def rings(self) -> int:
        """The number of rings."""
        return int(self.ring.max(initial=-1)) + 1

    @property
    def top(self) -> np.ndarray:
        """``(W,)`` the wedge of the first ring above each wedge."""
        top = np.arange(len(self))
        for _ in range(self.rings - 1):
            top = np.where(self.parent[top] < 0, top, self.parent[top])
        return top

    @property
    def middle(self) -> np.ndarray:
        """``(W,)`` the middle of each wedge, in turns clockwise from the top."""
        turns: np.ndarray = (self.first + self.items / 2) / len(self.order)
        return turns

    def examples(self, k: int) -> list[np.ndarray]:
        """Per wedge up to k item rows, evenly spread over its items."""
        many = np.minimum(self.items, k)[:, None]
        steps = ((np.arange(k) + 0.5) / many * self.items[:, None]).astype(np.int64)
        return [
            self.order[first + step[:n]]
            for first, step, n in zip(self.first, steps, many[:, 0], strict=True)
        ]


def wedges(codes: ItemCodes, cap: int) -> Wedges:
    """The sunburst layout of the first levels of the code tree.

    Args:
        codes: codes of N items.
        cap: most wedges in the plot, at least 2. If a level has more nodes than the cap allows, the
            largest node of each parent stays, then the largest remaining nodes, with ties in turn
            among parents. The other nodes are folded, one wedge per parent. A level that does not
            fit in this way is left out.

    Returns:
        The wedges; children's items add up to their parent's.
    """
    above = np.zeros(len(codes), dtype=np.int64)  # index of each item's wedge in the ring above
    first_above, base, used = np.zeros(1, dtype=np.int64), -1, 0
    ring_columns, item_wedges = [], []
    for ring in range(min(RINGS, codes.levels)):
        groups = prefix_groups(codes.codes, ring + 1)
        _, rows, sizes = np.unique(groups, return_index=True, return_counts=True)
        unfolded = _unfolded(sizes, above[rows], cap - used)
        if unfolded is None:
            break
        columns, of_group = _ring(codes.codes[rows, ring], sizes, above[rows], unfolded)
        ends = np.cumsum(columns["items"])
        before = ends - columns["items"]
        parent = columns["parent"]
        columns["first"] = first_above[parent] + before - before[np.searchsorted(parent, parent)]
        columns["ring"] = np.full(len(parent), ring)
        columns["parent"] = parent + base
        wedge = of_group[groups]
        ring_columns.append(columns)
        item_wedges.append(wedge)
        above = np.where((wedge >= 0) & (columns["node"][wedge] >= 0), wedge, -1)
        first_above, base, used = columns["first"], used, used + len(parent)
    # by wedge from the inner ring outwards, then by code
    order = np.lexsort((*codes.codes.T[::-1], *item_wedges[::-1]))
    joined = {k: np.concatenate([ring[k] for ring in ring_columns]) for k in ring_columns[0]}
    return Wedges(**joined, order=order)


def _unfolded(sizes: np.ndarray, parent: np.ndarray, capacity: int) -> np.ndarray | None:
    """``(G,)`` bool: nodes of a level that stay unfolded; None if the level does not fit."""
    visible = parent >= 0
    if visible.sum() <= capacity:
        return visible
    nodes = np.flatnonzero(visible)
    nodes = nodes[np.lexsort((-sizes[nodes], parent[nodes]))]
    rank = rank_in_run(parent[nodes])
    n_parents = int((rank == 0).sum())
    if capacity < 2 * n_parents:
        return None
    unfolded = np.zeros(len(sizes), dtype=bool)
    best = np.lexsort((rank, -sizes[nodes], rank > 0))[: capacity - n_parents]
    unfolded[nodes[best]] = True
    folded = np.bincount(parent[visible & ~unfolded], minlength=int(parent.max()) + 1)
    return unfolded | (visible & (folded[parent] == 1))  # a fold of one node saves no wedge


def _ring(
    code: np.ndarray, sizes: np.ndarray, parent: np.ndarray, unfolded: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The wedges of a level, and the wedge ``(G,)`` of each node; -1: none."""
    fold = (parent >= 0) & ~unfolded
    parents, of_fold, nodes = np.unique(parent[fold], return_inverse=True, return_counts=True)
    none = np.full(len(parents), -1)
    columns = {
        "parent": np.r_[parent[unfolded], parents],
        "code": np.r_[code[unfolded].astype(np.int64), none],
        "node": np.r_[np.flatnonzero(unfolded), none],
        "nodes": np.r_[np.ones(int(unfolded.sum()), dtype=np.int64), nodes],
        "items": np.r_[sizes[unfolded], np.bincount(of_fold, sizes[fold]).astype(np.int64)],
    }
    order = np.lexsort((columns["code"], columns["code"] < 0, columns["parent"]))
    rank = np.argsort(order)
    of_group = np.full(len(sizes), -1)
    of_group[unfolded] = rank[: int(unfolded.sum())]
    of_group[fold] = rank[int(unfolded.sum()) :][of_fold]
    return {name: column[order] for name, column in columns.items()}, of_group
