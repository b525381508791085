"""Scores of all items → ranked lists.

B requests, N items, K list length.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from p5rec.core.types import Histories, RankedLists, check_rows
from p5rec.decode.allowed import Allowed

CELLS = 2**20  # scores held at a time: beyond the cache the same work takes longer

Score = Callable[[Histories], np.ndarray]

_LAST = np.uint64(2**64 - 1)
_SIGN = np.uint32(2**31)


def rank(
    scores: np.ndarray, k: int, tie: np.ndarray, exclude: Histories | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best items of each request, in exact order.

    The candidates are the items that score at least the k-th best score. Each candidate gets one
    integer key: the bits of its score, inverted so that better scores have smaller keys, above the
    item's position in the tie order. Keys are distinct, so sorting the candidates equals a full
    sort, with ties at the boundary resolved.

    Args:
        scores: ``(B, N)``, compared as float32; -inf where an item must not be recommended.
        k: K, at least 1.
        tie: ``(N,)`` permutation (:func:`p5rec.core.rng.tie_order`): of equal scores the item
            with the smaller value comes first.
        exclude: histories whose items are left out of each request's list.

    Returns:
        ``(B, k)`` int32 item rows and ``(B, k)`` float32 scores, -1 and -inf where fewer remain.

    Raises:
        ValueError: ``k`` below 1, NaN in the scores, or items outside the catalogue.
    """
    n_requests, n_items = scores.shape
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if np.isnan(scores).any():
        raise ValueError("expected scores that can be compared, got NaN")
    scores = np.add(scores, 0, dtype=np.float32)  # + 0 turns -0 into 0
    if exclude is not None:
        check_rows("item", exclude.items, n_items)
        scores[exclude.requests(), exclude.items] = -np.inf
    least = torch.from_numpy(scores).topk(min(k, n_items)).values[:, -1:].numpy()
    least = np.maximum(least, np.finfo(np.float32).min)  # -inf is no candidate
    row, item = np.divmod(np.flatnonzero(scores >= least), n_items)
    bits = scores[row, item].view(np.uint32)
    descending = np.where(bits & _SIGN, bits, ~(bits | _SIGN))
    keys = (descending.astype(np.uint64) << np.uint64(32)) | tie[item].astype(np.uint64)
    candidates = np.bincount(row, minlength=n_requests)
    column = np.arange(len(row)) - np.repeat(candidates.cumsum() - candidates, candidates)
    shape = (n_requests, max(k, candidates.max(initial=0)))
    table, items = np.full(shape, _LAST), np.full(shape, -1, dtype=np.int32)
    values = np.full(shape, -np.inf, dtype=np.float32)
    table[row, column], items[row, column], values[row, column] = keys, item, scores[row, item]
    best = np.argsort(table, axis=1)[:, :k]
    return np.take_along_axis(items, best, axis=1), np.take_along_axis(values, best, axis=1)


def rank_all(
    score: Score,
    histories: Histories,
    k: int,
    tie: np.ndarray,
    *,
    exclude_seen: bool,
    allowed: Allowed | None = None,
) -> RankedLists:
    """Ranked lists for all requests, in blocks of requests that bound the memory.

    Args:
        score: B requests to ``(B, N)`` scores.
        histories: the requests.
        k: K.
        tie: ``(N,)``, see :func:`rank`.
        exclude_seen: leave out the items of the target events in each request's own history.
        allowed: the items that may be recommended to each request.

    Raises:
        ValueError: as :func:`rank`.
    """
    check_rows("item", histories.items, len(tie))
    step = max(1, CELLS // len(tie))
    items = np.empty((len(histories), k), dtype=np.int32)
    scores = np.empty((len(histories), k), dtype=np.float32)
    for start in range(0, len(histories), step):
        rows = np.arange(start, min(start + step, len(histories)))
        block = histories.take(rows)
        block_scores = score(block)
        if allowed is not None:
            mask = allowed.take(rows).mask(len(rows), len(tie))
            block_scores = np.where(mask, block_scores, np.float32(-np.inf))
        seen = block.of_targets() if exclude_seen else None
        items[rows], scores[rows] = rank(block_scores, k, tie, seen)
    return RankedLists(histories.users, items, scores)
