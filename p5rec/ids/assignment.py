"""Assigns items to codes of limited capacity: exactly, evenly, or greedily.

n items, C codes, costs ``(n, C)``; an unavailable code costs infinity.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from .prefixes import rank_in_run

SINKHORN_ROUNDS = 50
SINKHORN_SHARPNESS = 20.0  # inverse temperature, in units of one over the mean cost


def assign(costs: np.ndarray) -> np.ndarray:
    """The assignment ``(n,)`` of rows of ``costs (n, C)`` to different codes at the least cost."""
    codes: np.ndarray = linear_sum_assignment(costs)[1]
    return codes


def plan(costs: np.ndarray) -> np.ndarray:
    """``(n, C)`` log of the transport plan with row sums 1 and equal sums for available codes."""
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


def spill(costs: np.ndarray, chosen: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Codes ``(n,)`` for rows of ``costs (n, C)``; code c is used at most ``capacity[c]`` times.

    Greedy, in at most C rounds. From each overfull code, the items with the smallest extra cost
    move to the nearest code with free capacity; that code takes the cheapest of them.
    """
    chosen = chosen.copy()
    while True:
        count = np.bincount(chosen, minlength=costs.shape[1])
        if (count <= capacity).all():
            return chosen
        open_costs = np.where(count < capacity, costs, np.inf)
        target = open_costs.argmin(axis=1)
        loss = open_costs.min(axis=1) - costs[np.arange(len(costs)), chosen]
        leaving = _cheapest(chosen, loss, np.maximum(count - capacity, 0))
        taken = leaving[_cheapest(target[leaving], loss[leaving], np.maximum(capacity - count, 0))]
        chosen[taken] = target[taken]


def _cheapest(groups: np.ndarray, loss: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Positions of the ``quota[g]`` entries of least loss in each group g."""
    order = np.lexsort((loss, groups))
    ordered = groups[order]
    return order[rank_in_run(ordered) < quota[ordered]]
