"""Resolves collisions, so that every item has codes of its own.

A policy either moves colliding items to a nearby code, or adds one level that numbers them. Within
a prefix, items are processed in a seeded order and never in row order: row numbers may follow the
order of items in histories, which would leak the target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from p5rec.core.errors import input_error

from .assignment import assign, plan, spill
from .prefixes import by_group, prefix_groups, rank_in_run, sharing
from .quantiser import Coded, Quantiser, error


@dataclass(frozen=True)
class Collisions:
    """Statistics of collision resolution.

    Attributes:
        policy: name of the policy.
        before, after: number of items that share their codes with another item.
        moved: number of items with at least one changed code.
        error_before, error_after: mean squared distance of items to the vectors of their codes;
            None if the codes represent no vectors.
    """

    policy: str
    before: int
    after: int
    moved: int
    error_before: float | None
    error_after: float | None


@dataclass(frozen=True, eq=False)
class Resolved:
    """Codes ``(N, L)`` int32, their codebook sizes, and the statistics of their resolution."""

    codes: np.ndarray
    sizes: tuple[int, ...]
    collisions: Collisions


Choose = Callable[[np.ndarray], np.ndarray]


def nearest_free(coded: Coded, order: np.ndarray) -> Resolved:
    """Moves items to near free codes, preferably within their prefix at the last level.

    See :func:`separate`; at the last level the total cost of a prefix is minimal.

    Raises:
        UserError: more items than codes in all.
    """
    return _moved("nearest-free", coded, order, assign)


def sinkhorn(coded: Coded, order: np.ndarray) -> Resolved:
    """As :func:`nearest_free`, with a transport plan that uses all codes of a prefix equally.

    The plan is the entropic optimal transport of items to codes (Cuturi 2013), as LC-Rec spreads
    colliding items over its last level (Zheng et al. 2024, section III-B). DEVIATION: items that
    rounding would leave equal are separated by the most probable assignment under the plan.

    Raises:
        UserError: more items than codes in all.
    """
    return _moved("sinkhorn", coded, order, lambda costs: assign(-plan(costs)))


def extra_level(coded: Coded, order: np.ndarray) -> Resolved:
    """Adds one level that numbers the items of equal codes (TIGER, section 3.1).

    The new level has as many codes as the largest number of equal items. No item moves. Without
    collisions, no level is added.
    """
    return _numbered("extra-level", coded, order)


def shared(coded: Coded, order: np.ndarray) -> Resolved:
    """Keeps collisions: a model cannot distinguish items of equal codes.

    A last level numbers these items for the index alone, in the given order. ``ItemCodes.tied``
    describes their ranking.
    """
    return _numbered("shared", coded, order)


def separate(
    quantiser: Quantiser,
    points: np.ndarray,
    codes: np.ndarray,
    sizes: tuple[int, ...],
    order: np.ndarray,
    movable: np.ndarray,
    choose: Choose,
) -> np.ndarray:
    """Gives all items different codes; only movable items change.

    A prefix of length l has a capacity of ``prod(sizes[l:])`` items. From the first level on, codes
    above their capacity lose the items with the smallest extra cost to the nearest code with free
    capacity; the codes after a changed code are chosen again. At the last level the capacity is one
    item and no prefix has more items than codes, so each crowded prefix is an assignment problem.
    By induction over the levels, no two items have equal codes.

    Args:
        quantiser: gives the cost of each code; levels beyond its own cost nothing.
        points: ``(M, P)`` the movable items as points of the quantiser.
        codes: ``(N, L)`` int32; fixed items already have different codes.
        sizes: codes per level; their product is at least N.
        order: ``(N,)`` row numbers in the order that breaks ties.
        movable: ``(N,)`` bool.
        choose: maps costs ``(n, C)``, with at least n finite columns, to different codes ``(n,)``.
    """
    codes, index = codes.copy(), np.cumsum(movable) - 1
    for level in range(len(sizes)):
        capacity = prod(sizes[level + 1 :])
        for rows in _crowded(codes, level, capacity, order):
            fixed, rows = rows[~movable[rows]], rows[movable[rows]]
            taken = np.bincount(codes[fixed, level], minlength=sizes[level])
            costs = _costs(quantiser, points[index[rows]], codes[rows, :level], sizes)
            if level == len(sizes) - 1:
                chosen = choose(np.where(taken > 0, np.inf, costs))
            else:
                chosen = spill(costs, codes[rows, level], capacity - taken)
            moved = rows[chosen != codes[rows, level]]
            codes[rows, level] = chosen
            for after in range(level + 1, len(sizes)):
                costs = _costs(quantiser, points[index[moved]], codes[moved, :after], sizes)
                codes[moved, after] = costs.argmin(axis=1)
    return codes


def _moved(policy: str, coded: Coded, order: np.ndarray, choose: Choose) -> Resolved:
    sizes, n_items = coded.sizes, len(coded.codes)
    if n_items > prod(sizes):
        raise input_error(
            "ids",
            f"at most {prod(sizes)} items for levels of {', '.join(map(str, sizes))} codes",
            f"{n_items} items",
            "raise codebook or levels",
        )
    everyone = np.ones(n_items, dtype=bool)
    codes = separate(coded.quantiser, coded.points, coded.codes, sizes, order, everyone, choose)
    collisions = Collisions(
        policy=policy,
        before=sharing(coded.codes),
        after=sharing(codes),
        moved=int((codes != coded.codes).any(axis=1).sum()),
        error_before=error(coded.quantiser, coded.codes, coded.vectors),
        error_after=error(coded.quantiser, codes, coded.vectors),
    )
    return Resolved(codes, sizes, collisions)


def _numbered(policy: str, coded: Coded, order: np.ndarray) -> Resolved:
    codes, sizes = coded.codes, coded.sizes
    before = sharing(codes)
    distance = error(coded.quantiser, codes, coded.vectors)
    if before:
        groups = prefix_groups(codes, codes.shape[1])
        rows = order[np.argsort(groups[order], kind="stable")]
        number = np.empty(len(codes), dtype=np.int32)
        number[rows] = rank_in_run(groups[rows])
        codes, sizes = np.column_stack([codes, number]), (*sizes, int(number.max()) + 1)
    return Resolved(codes, sizes, Collisions(policy, before, sharing(codes), 0, distance, distance))


def _costs(
    quantiser: Quantiser, points: np.ndarray, codes: np.ndarray, sizes: tuple[int, ...]
) -> np.ndarray:
    level = codes.shape[1]
    if level < len(quantiser.sizes):
        return quantiser.costs(points, codes)
    return np.zeros((len(points), sizes[level]))


def _crowded(codes: np.ndarray, level: int, capacity: int, order: np.ndarray) -> list[np.ndarray]:
    """Rows of each prefix of length ``level`` with more than ``capacity`` items on one code."""
    groups = prefix_groups(codes, level)
    children = prefix_groups(codes, level + 1)
    full = np.bincount(children)[children] > capacity
    crowded = np.zeros(groups.max(initial=-1) + 1, dtype=bool)
    crowded[groups[full]] = True
    return by_group(groups, order[crowded[groups[order]]])
