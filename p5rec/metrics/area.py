"""The area under the ROC curve: of all instances, and its mean over users (gAUC)."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from p5rec.core.types import ranges

from .intervals import Evaluate, Statistic, ratio_of

CHUNK = 16  # instances whose pairs are compared one by one


def area(scores: np.ndarray, positive: np.ndarray) -> Statistic:
    """The probability that a positive instance scores above a negative one; ties count one half.

    The Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982); NaN if a class is
    empty.

    Args:
        scores: ``(B,)``.
        positive: ``(B,)`` bool.
    """
    order = np.argsort(scores, kind="stable")
    ordered, positive = scores[order], positive[order].astype(bool)
    tied = np.cumsum(np.append(False, ordered[1:] != ordered[:-1])[: len(ordered)])
    # instances of neighbouring scores form a chunk; equal scores are in one
    chunks = (np.searchsorted(tied, tied) // CHUNK).astype(np.int64)
    winners, losers, excess = _within_chunks(tied, chunks, positive)

    def of_units(units: np.ndarray) -> Evaluate:
        n_units, n_chunks = int(units.max(initial=-1)) + 1, int(chunks.max(initial=-1)) + 1
        units = units[order]
        yes, no = (
            _sums(np.ones(chosen.sum()), chunks[chosen], units[chosen], (n_chunks, n_units))
            for chosen in (positive, ~positive)
        )
        inside = _sums(excess, units[winners], units[losers], (n_units, n_units))

        def evaluate(weights: np.ndarray) -> np.ndarray:
            columns = np.ascontiguousarray(weights.T)
            above, below = yes @ columns, no @ columns
            pairs = above.sum(axis=0) * below.sum(axis=0)
            # all negatives of lower chunks, and half of those of the same chunk
            above *= np.cumsum(below, axis=0) - below / 2
            won = above.sum(axis=0) + ((inside @ columns) * columns).sum(axis=0)
            areas: np.ndarray = np.divide(
                won, pairs, out=np.full(len(won), np.nan), where=pairs > 0
            )
            return areas[:, None]

        return evaluate

    return Statistic(of_units)


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The area under the ROC curve, see :func:`area`.

    Args:
        scores: ``(B,)``.
        positive: ``(B,)`` bool.
        weights: ``(R, B)`` instance weights, one area for each of R; None counts each instance
            once.

    Returns:
        ``(R,)``, NaN if a class is empty.
    """
    weights = np.ones((1, len(scores))) if weights is None else weights
    return area(scores, positive)(weights)[:, 0]


def mean_area(scores: np.ndarray, positive: np.ndarray, users: np.ndarray) -> Statistic:
    """gAUC: the mean over users of the area under a user's own ROC curve, weighted by instances.

    Users whose labels are all equal do not count (Zhu et al. 2017). NaN if no user is left. All
    instances of a user are expected to have one weight.

    Args:
        scores: ``(B,)``.
        positive: ``(B,)`` bool.
        users: ``(B,)`` the user of each instance.
    """
    own = np.unique(users, return_inverse=True)[1]
    order = np.lexsort((scores, own))
    owners, ordered = own[order], scores[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (owners[1:] != owners[:-1]) | (ordered[1:] != ordered[:-1])
    groups = np.cumsum(new) - 1
    first = np.flatnonzero(new)[groups] - np.searchsorted(owners, owners)
    ranks = np.empty(len(order))
    ranks[order] = first + (np.bincount(groups)[groups] + 1) / 2  # the mean rank of equal scores
    counts = np.bincount(own)
    hits = np.bincount(own, positive, len(counts))
    pairs = hits * (counts - hits)
    won = np.bincount(own, ranks * positive, len(counts)) - hits * (hits + 1) / 2
    areas = np.divide(won, pairs, out=np.zeros(len(counts)), where=pairs > 0)
    return ratio_of(areas[own], pairs[own] > 0)


def _within_chunks(
    tied: np.ndarray, chunks: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of a positive and a negative instance of one chunk and different scores: their
    indices ``(n,)``, and what they add to one half, ``(n,)``: 1/2 if the positive one wins.

    Args:
        tied: ``(B,)`` ascending, equal for equal scores.
        chunks: ``(B,)`` ascending.
        positive: ``(B,)`` bool.
    """
    winners, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    own = chunks[negatives]
    starts = np.searchsorted(own, chunks[winners])
    at, offsets = ranges(starts, np.searchsorted(own, chunks[winners], side="right") - starts)
    winners, losers = np.repeat(winners, np.diff(offsets)), negatives[at]
    differ = tied[winners] != tied[losers]
    winners, losers = winners[differ], losers[differ]
    return winners, losers, np.where(tied[winners] > tied[losers], 0.5, -0.5)


def _sums(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> csr_array:
    """The sparse matrix of ``shape`` with the sums of the ``values (n,)`` of each cell."""
    return csr_array((values, (rows, columns)), shape=shape)
