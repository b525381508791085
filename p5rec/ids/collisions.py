"""Makes every item's codes its own.

Items that no code may share are parted either by moving some to a code nearby, or by one more level
that numbers them. Within a prefix the items are taken in a seeded order, never in row order: row
numbers may follow the order in which histories mention the items, which is a leak.
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
    """What a policy found and did.

    Attributes:
        policy: its name.
        before, after: items whose codes another item also has.
        moved: items of which at least one code changed.
        error_before, error_after: mean squared distance of an item to what its codes stand for;
            None where they stand for no vector.
    """

    policy: str
    before: int
    after: int
    moved: int
    error_before: float | None
    error_after: float | None


@dataclass(frozen=True, eq=False)
class Resolved:
    """Codes ``(N, L)`` int32, their codebook sizes, and how they came about."""

    codes: np.ndarray
    sizes: tuple[int, ...]
    collisions: Collisions


Choose = Callable[[np.ndarray], np.ndarray]


def nearest_free(coded: Coded, order: np.ndarray) -> Resolved:
    """Moves items as little as it must, at best within their prefix at the last level.

    See :func:`part`; at the last level the total cost of a prefix is the least possible.

    Raises:
        UserError: more items than codes in all.
    """
    return _moved("nearest-free", coded, order, assign)


def sinkhorn(coded: Coded, order: np.ndarray) -> Resolved:
    """As :func:`nearest_free`, by a plan that uses all codes of a crowded prefix alike.

    The plan is the entropic optimal transport of items to codes (Cuturi 2013), as LC-Rec spreads
    colliding items over its last level (Zheng et al. 2024, section III-B). DEVIATION: what its
    rounding would leave equal is parted by the assignment that the plan likes best.

    Raises:
        UserError: more items than codes in all.
    """
    return _moved("sinkhorn", coded, order, lambda costs: assign(-plan(costs)))


def extra_level(coded: Coded, order: np.ndarray) -> Resolved:
    """One more level that numbers the items of equal codes (TIGER, section 3.1).

    The new level has as many codes as the largest number of equal items. Nothing moves; where no
    items are equal, no level is added.
    """
    return _numbered("extra-level", coded, order)


def shared(coded: Coded, order: np.ndarray) -> Resolved:
    """Leaves items of equal codes equal: a model cannot tell them apart.

    A last level numbers them for the index alone, in the order given; see ``ItemCodes.tied`` for
    how it ranks them.
    """
    return _numbered("shared", coded, order)


def part(
    quantiser: Quantiser,
    points: np.ndarray,
    codes: np.ndarray,
    sizes: tuple[int, ...],
    order: np.ndarray,
    movable: np.ndarray,
    choose: Choose,
) -> np.ndarray:
    """Different codes for all items, of which the movable ones alone may move.

    A prefix of length l has room for ``prod(sizes[l:])`` items. From the first level on, a prefix
    whose items crowd one of its codes beyond that code's room lets the items that lose least go to
    the nearest code with room; what follows a changed code is chosen anew. At the last level the
    room is one item and no prefix holds more items than codes, so each crowded prefix is an
    assignment problem. By induction over the levels no two items end up alike.

    Args:
        quantiser: says what a code costs an item; a level beyond its own costs nothing.
        points: ``(M, P)`` the movable items as it sees them.
        codes: ``(N, L)`` int32; those of items that may not move are different already.
        sizes: of the L levels; their product is at least N.
        order: ``(N,)`` rows in the order in which equals are served.
        movable: ``(N,)`` bool.
        choose: costs ``(n, C)`` of which at least n codes are finite → a code ``(n,)`` each, all
            different.
    """
    codes, place = codes.copy(), np.cumsum(movable) - 1
    for level in range(len(sizes)):
        room = prod(sizes[level + 1 :])
        for rows in _crowded(codes, level, room, order):
            fixed, rows = rows[~movable[rows]], rows[movable[rows]]
            taken = np.bincount(codes[fixed, level], minlength=sizes[level])
            costs = _costs(quantiser, points[place[rows]], codes[rows, :level], sizes)
            if level == len(sizes) - 1:
                chosen = choose(np.where(taken > 0, np.inf, costs))
            else:
                chosen = spill(costs, codes[rows, level], room - taken)
            moved = rows[chosen != codes[rows, level]]
            codes[rows, level] = chosen
            for after in range(level + 1, len(sizes)):
                costs = _costs(quantiser, points[place[moved]], codes[moved, :after], sizes)
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
    codes = part(coded.quantiser, coded.points, coded.codes, sizes, order, everyone, choose)
    found = Collisions(
        policy=policy,
        before=sharing(coded.codes),
        after=sharing(codes),
        moved=int((codes != coded.codes).any(axis=1).sum()),
        error_before=error(coded.quantiser, coded.codes, coded.vectors),
        error_after=error(coded.quantiser, codes, coded.vectors),
    )
    return Resolved(codes, sizes, found)


def _numbered(policy: str, coded: Coded, order: np.ndarray) -> Resolved:
    codes, sizes = coded.codes, coded.sizes
    before = sharing(codes)
    wrong = error(coded.quantiser, codes, coded.vectors)
    if before:
        groups = prefix_groups(codes, codes.shape[1])
        rows = order[np.argsort(groups[order], kind="stable")]
        number = np.empty(len(codes), dtype=np.int32)
        number[rows] = rank_in_run(groups[rows])
        codes, sizes = np.column_stack([codes, number]), (*sizes, int(number.max()) + 1)
    return Resolved(codes, sizes, Collisions(policy, before, sharing(codes), 0, wrong, wrong))


def _costs(
    quantiser: Quantiser, points: np.ndarray, codes: np.ndarray, sizes: tuple[int, ...]
) -> np.ndarray:
    level = codes.shape[1]
    if level < len(quantiser.sizes):
        return quantiser.costs(points, codes)
    return np.zeros((len(points), sizes[level]))


def _crowded(codes: np.ndarray, level: int, room: int, order: np.ndarray) -> list[np.ndarray]:
    """Rows of each prefix of length ``level`` with more than ``room`` items on one of its codes."""
    groups = prefix_groups(codes, level)
    children = prefix_groups(codes, level + 1)
    full = np.bincount(children)[children] > room
    crowded = np.zeros(groups.max(initial=-1) + 1, dtype=bool)
    crowded[groups[full]] = True
    return by_group(groups, order[crowded[groups[order]]])
