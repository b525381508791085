"""The code tree laid around a circle: a node's angle is its share of the items, a ring is a level.

What there is no room for is folded: the smallest nodes of a parent become one wedge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.types import ItemCodes

from .prefixes import prefix_groups, rank_in_run

RINGS = 3  # at most


@dataclass(frozen=True, eq=False)
class Wedges:
    """W wedges, ring by ring, each ring in order of angle.

    Children follow the order of their codes, folded ones come last. A wedge spans the turn from
    ``first / N`` to ``(first + items) / N``.

    Attributes:
        ring: ``(W,)`` int64, 0 at the first level.
        parent: ``(W,)`` int64, the wedge inside of it; -1 in the first ring.
        code: ``(W,)`` int64, its last code; -1 where nodes are folded.
        node: ``(W,)`` int64, its number among the prefixes of its level; -1 where folded.
        nodes: ``(W,)`` int64, how many nodes it stands for; 1 where not folded.
        first, items: ``(W,)`` int64, its items are ``order[first : first + items]``.
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
        """How many there are."""
        return int(self.ring.max(initial=-1)) + 1

    @property
    def top(self) -> np.ndarray:
        """``(W,)`` the wedge of the first ring that each one belongs to."""
        top = np.arange(len(self))
        for _ in range(self.rings - 1):
            top = np.where(self.parent[top] < 0, top, self.parent[top])
        return top

    @property
    def middle(self) -> np.ndarray:
        """``(W,)`` where the middle of each is, in turns from the top, clockwise."""
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
    """Lays the first levels of the tree of codes around a circle.

    Args:
        codes: of N items.
        cap: how many wedges to show at most, at least 2. Where a level has more nodes than are
            left of it, each parent keeps its largest one, then the largest of all are kept, in
            turn among parents where they are equal; the rest is folded, a wedge a parent. A level
            for which not even that is left is not shown.

    Returns:
        The wedges; children's items add up to their parent's.
    """
    above = np.zeros(len(codes), dtype=np.int64)  # the wedge inside each item's, within its ring
    first_above, base, used = np.zeros(1, dtype=np.int64), -1, 0
    parts, places = [], []
    for ring in range(min(RINGS, codes.levels)):
        groups = prefix_groups(codes.codes, ring + 1)
        _, rows, sizes = np.unique(groups, return_index=True, return_counts=True)
        kept = _kept(sizes, above[rows], cap - used)
        if kept is None:
            break
        part, of_group = _ring(codes.codes[rows, ring], sizes, above[rows], kept)
        ends = np.cumsum(part["items"])
        before = ends - part["items"]
        inside = part["parent"]
        part["first"] = first_above[inside] + before - before[np.searchsorted(inside, inside)]
        part["ring"] = np.full(len(inside), ring)
        part["parent"] = inside + base
        place = of_group[groups]
        parts.append(part)
        places.append(place)
        above = np.where((place >= 0) & (part["node"][place] >= 0), place, -1)
        first_above, base, used = part["first"], used, used + len(inside)
    # within the innermost wedges that differ, then by code
    order = np.lexsort((*codes.codes.T[::-1], *places[::-1]))
    return Wedges(**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, order=order)


def _kept(sizes: np.ndarray, parent: np.ndarray, room: int) -> np.ndarray | None:
    """``(G,)`` bool, which nodes of a level stay unfolded; None where there is no room for it."""
    shown = parent >= 0
    if shown.sum() <= room:
        return shown
    nodes = np.flatnonzero(shown)
    nodes = nodes[np.lexsort((-sizes[nodes], parent[nodes]))]
    rank = rank_in_run(parent[nodes])
    n_parents = int((rank == 0).sum())
    if room < 2 * n_parents:
        return None
    kept = np.zeros(len(sizes), dtype=bool)
    best = np.lexsort((rank, -sizes[nodes], rank > 0))[: room - n_parents]
    kept[nodes[best]] = True
    folded = np.bincount(parent[shown & ~kept], minlength=int(parent.max()) + 1)
    return kept | (shown & (folded[parent] == 1))  # one alone takes no more room than its fold


def _ring(
    code: np.ndarray, sizes: np.ndarray, parent: np.ndarray, kept: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The wedges of a level, and the wedge ``(G,)`` of each node, -1 where it has none."""
    fold = (parent >= 0) & ~kept
    parents, of_fold, nodes = np.unique(parent[fold], return_inverse=True, return_counts=True)
    none = np.full(len(parents), -1)
    part = {
        "parent": np.r_[parent[kept], parents],
        "code": np.r_[code[kept].astype(np.int64), none],
        "node": np.r_[np.flatnonzero(kept), none],
        "nodes": np.r_[np.ones(int(kept.sum()), dtype=np.int64), nodes],
        "items": np.r_[sizes[kept], np.bincount(of_fold, sizes[fold]).astype(np.int64)],
    }
    order = np.lexsort((part["code"], part["code"] < 0, part["parent"]))
    place = np.argsort(order)
    of_group = np.full(len(sizes), -1)
    of_group[kept] = place[: int(kept.sum())]
    of_group[fold] = place[int(kept.sum()) :][of_fold]
    return {name: column[order] for name, column in part.items()}, of_group
