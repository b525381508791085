"""Items to codes with limited room: exactly, evenly, or greedily.

n items, C codes, costs ``(n, C)``; a code that is not open costs infinity.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from .prefixes import rank_in_run

SINKHORN_ROUNDS = 50
SINKHORN_SHARPNESS = 20.0  # of the plan: costs are counted in this part of their mean


def assign(costs: np.ndarray) -> np.ndarray:
    """The assignment ``(n,)`` of rows of ``costs (n, C)`` to different codes of least total."""
    chosen: np.ndarray = linear_sum_assignment(costs)[1]
    return chosen


def plan(costs: np.ndarray) -> np.ndarray:
    """``(n, C)`` log of the plan that gives each row 1 and each open code the same."""
    open_codes = np.isfinite(costs[0])
    scale = costs[:, open_codes].mean() / SINKHORN_SHARPNESS
    log = -costs / scale if scale > 0 else np.where(np.isfinite(costs), 0.0, -np.inf)
    share = np.log(len(costs) / open_codes.sum())
    with np.errstate(invalid="ignore"):
        for _ in range(SINKHORN_ROUNDS):
            columns = logsumexp(log, axis=0, keepdims=True)
            log = np.where(open_codes, log + share - columns, -np.inf)
            log = log - logsumexp(log, axis=1, keepdims=True)
    return log


def spill(costs: np.ndarray, chosen: np.ndarray, room: np.ndarray) -> np.ndarray:
    """A code ``(n,)`` for each row of ``costs (n, C)``, code c taken at most ``room[c]`` times.

    Greedy in at most C rounds: of each overfull code the items with the least to lose ask for
    their nearest code with room, which takes the cheapest it has room for.
    """
    chosen = chosen.copy()
    while True:
        count = np.bincount(chosen, minlength=costs.shape[1])
        if (count <= room).all():
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
