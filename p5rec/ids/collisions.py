"""Makes every item's codes its own.

Items that no code may share are parted either by moving some to a code nearby, or by one more level
that numbers them. Within a prefix the items are taken in a seeded order, never in row order: row
numbers may follow the order in which histories mention the items, which is a leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from scipy.optimize import linear_sum_assignment

from p5rec.core.errors import fault
from p5rec.core.rng import derive_rng

from .quantised import Quantised, distances, prefix_groups, rank_in_run


@dataclass(frozen=True)
class Collisions:
    """What a policy found and did.

    Attributes:
        policy: its name.
        before, after: items whose codes another item also has.
        moved: items of which at least one code changed.
        error_before, error_after: mean squared distance of an item to the sum of its centroids.
    """

    policy: str
    before: int
    after: int
    moved: int
    error_before: float
    error_after: float


@dataclass(frozen=True, eq=False)
class Resolved:
    """Unique codes ``(N, L)`` int32, their codebook sizes, and how they came about."""

    codes: np.ndarray
    sizes: tuple[int, ...]
    collisions: Collisions


def sharing(codes: np.ndarray) -> int:
    """How many of the items ``(N, L)`` have codes that another item also has."""
    counts = np.bincount(prefix_groups(codes, codes.shape[1]))
    return int(counts[counts > 1].sum())


def nearest_free(quantised: Quantised, seed: int) -> Resolved:
    """Moves items as little as it must, at best within their prefix at the last level.

    A prefix of length l has room for ``prod(sizes[l:])`` items. From the first level on, a prefix
    whose items crowd one of its codes beyond that code's room lets the items that lose least go to
    the nearest code with room; what follows a changed code is quantised anew. At the last level
    the room is one item and no prefix holds more items than codes, so each crowded prefix is an
    assignment problem, solved exactly. By induction over the levels no two items end up alike.

    Raises:
        UserError: more items than codes in all.
    """
    sizes = quantised.sizes
    if len(quantised.codes) > prod(sizes):
        raise fault(
            "ids",
            f"at most {prod(sizes)} items for levels of {', '.join(map(str, sizes))} codes",
            f"{len(quantised.codes)} items",
            "raise codebook or levels",
        )
    order = derive_rng(seed, "ids", "collisions").permutation(len(quantised.codes))
    codes = quantised.codes.copy()
    for level, book in enumerate(quantised.codebooks):
        room = prod(sizes[level + 1 :])
        last = level == len(sizes) - 1
        for rows in _crowded(codes, level, room, order):
            costs = distances(quantised.residual(rows, codes[rows, :level]), book)
            chosen = linear_sum_assignment(costs)[1] if last else _spill(costs, room)
            moved = rows[chosen != codes[rows, level]]
            codes[rows, level] = chosen
            _requantise(quantised, codes, moved, level + 1)
    found = Collisions(
        policy="nearest-free",
        before=sharing(quantised.codes),
        after=sharing(codes),
        moved=int((codes != quantised.codes).any(axis=1).sum()),
        error_before=quantised.error(quantised.codes),
        error_after=quantised.error(codes),
    )
    return Resolved(codes, sizes, found)


def _crowded(codes: np.ndarray, level: int, room: int, order: np.ndarray) -> list[np.ndarray]:
    """Rows of each prefix of length ``level`` with more than ``room`` items on one of its codes."""
    groups = prefix_groups(codes, level)
    children = prefix_groups(codes, level + 1)
    full = np.bincount(children)[children] > room
    crowded = np.zeros(groups.max() + 1, dtype=bool)
    crowded[groups[full]] = True
    rows = order[crowded[groups[order]]]
    rows = rows[np.argsort(groups[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1) if len(rows) else []


def _spill(costs: np.ndarray, room: int) -> np.ndarray:
    """A code ``(n,)`` for each row of ``costs (n, C)``, none taken more than ``room`` times.

    Greedy in at most C rounds: of each overfull code the items with the least to lose ask for
    their nearest code with room, which takes the cheapest it has room for.
    """
    chosen = costs.argmin(axis=1)
    while True:
        count = np.bincount(chosen, minlength=costs.shape[1])
        if count.max() <= room:
            return chosen
        open_costs = np.where(count < room, costs, np.inf)
        target = open_costs.argmin(axis=1)
        loss = open_costs.min(axis=1) - costs[np.arange(len(costs)), chosen]
        leaving = _cheapest(chosen, loss, np.maximum(count - room, 0))
        taken = leaving[_cheapest(target[leaving], loss[leaving], np.maximum(room - count, 0))]
        chosen[taken] = target[taken]


def _cheapest(groups: np.ndarray, loss: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Positions of the ``quota[g]`` entries of least loss in each group g."""
    order = np.lexsort((loss, groups))
    ordered = groups[order]
    return order[rank_in_run(ordered) < quota[ordered]]


def _requantise(quantised: Quantised, codes: np.ndarray, rows: np.ndarray, level: int) -> None:
    """The nearest centroids for ``codes[rows, level:]``, given the codes before; in place."""
    for at in range(level, len(quantised.codebooks)):
        left = quantised.residual(rows, codes[rows, :at])
        codes[rows, at] = distances(left, quantised.codebooks[at]).argmin(axis=1)


def extra_level(quantised: Quantised, seed: int) -> Resolved:
    """One more level that numbers the items of equal codes (TIGER, section 3.1).

    The new level has as many codes as the largest number of equal items. Nothing moves.
    """
    codes = quantised.codes
    order = derive_rng(seed, "ids", "collisions").permutation(len(codes))
    groups = prefix_groups(codes, codes.shape[1])
    rows = order[np.argsort(groups[order], kind="stable")]
    number = np.empty(len(codes), dtype=np.int32)
    number[rows] = rank_in_run(groups[rows])
    numbered = np.column_stack([codes, number])
    error = quantised.error(codes)
    found = Collisions("extra-level", sharing(codes), sharing(numbered), 0, error, error)
    return Resolved(numbered, (*quantised.sizes, int(number.max()) + 1), found)
