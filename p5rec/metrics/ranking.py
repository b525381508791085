"""Ranking metrics.

A relevant item counts once, at its first rank in the list. B lists of length K, T relevant items
per list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KS = (5, 10, 20)
CELLS = 2**24  # pairs of a listed and a relevant item in memory at a time


def per_user(
    items: np.ndarray, targets: np.ndarray, ks: Sequence[int] = KS
) -> dict[str, np.ndarray]:
    """HR@k, NDCG@k and MRR@k of each list; with several relevant items also Recall, Precision, MAP.

    Let R be the number of relevant items, and r the ranks (from 1) of the hits up to rank k:

    - ``HR@k`` is 1 if there is a hit; for R = 1 it equals ``Recall@k``;
    - ``NDCG@k`` is ``sum 1 / log2(r + 1)`` over its largest possible value at depth k
      (Järvelin and Kekäläinen 2002, binary gains);
    - ``MRR@k`` is ``1 / r`` of the first hit (Voorhees 1999);
    - ``Recall@k`` is the number of hits over R, ``Precision@k`` the number of hits over k, also for
      shorter lists;
    - ``MAP@k`` is the sum of Precision@r over the ranks r of the hits, over R (Buckley and Voorhees
      2000). trec_eval's ``map_cut``, ranx and RecTools use the same definition; with R > k it
      cannot reach 1.

    A relevant item that is listed twice counts once, at its first rank.

    Args:
        items: ``(B, K)`` item row numbers, best first, -1 after the end of a list.
        targets: ``(B,)`` the relevant item, or ``(B, T)`` distinct ones padded with -1.
        ks: depths, each at most K.

    Returns:
        Metric name → ``(B,)`` float64.

    Raises:
        ValueError: the shapes differ, a depth exceeds K, or a list has no relevant item.
    """
    relevant = targets if targets.ndim == 2 else targets[:, None]
    known = relevant >= 0
    number = known.sum(axis=1)
    if items.ndim != 2 or len(items) != len(relevant):
        raise ValueError(f"items {items.shape} and targets {targets.shape} do not fit")
    if not ks or not 0 < min(ks) <= max(ks) <= items.shape[1]:
        raise ValueError(
            f"depths {tuple(ks)} need lists of {max(ks, default=1)}, not {items.shape[1]}"
        )
    if not known.any(axis=1).all():
        raise ValueError("every list needs a relevant item")

    ranks = _ranks(items, relevant)
    ranks[~known] = items.shape[1]
    gains = 1 / np.log2(ranks + 2.0)
    nth = np.sort(ranks, axis=1)
    precisions = np.arange(1, ranks.shape[1] + 1) / (nth + 1)  # at the rank of the nth hit
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(relevant.shape[1]) + 2.0))])

    metrics: dict[str, np.ndarray] = {}
    for k in ks:
        hit = ranks < k
        metrics[f"HR@{k}"] = np.logical_or.reduce(hit, axis=1).astype(np.float64)
        metrics[f"NDCG@{k}"] = (gains * hit).sum(axis=1) / ideal[np.minimum(number, k)]
        metrics[f"MRR@{k}"] = np.where(hit, 1 / (ranks + 1.0), 0).max(axis=1)
        if targets.ndim == 2:
            metrics[f"Recall@{k}"] = hit.sum(axis=1) / number
            metrics[f"Precision@{k}"] = hit.sum(axis=1) / k
            metrics[f"MAP@{k}"] = (precisions * (nth < k)).sum(axis=1) / number
    return metrics


def hits(items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(B, K)`` bool: the relevant entries of each list.

    Args:
        items, targets: see :func:`per_user`.
    """
    relevant = targets if targets.ndim == 2 else targets[:, None]
    size = 1 + max(int(items.max(initial=0)), int(relevant.max(initial=0)))
    lists = np.arange(len(items), dtype=np.int64)[:, None] * size
    hit: np.ndarray = np.isin(lists + items, (lists + relevant)[relevant >= 0]) & (items >= 0)
    return hit


def _ranks(items: np.ndarray, relevant: np.ndarray) -> NDArray[np.int64]:
    """``(B, T)`` the rank of each relevant item in its list, from 0; K if it is absent."""
    ranks = np.empty(relevant.shape, dtype=np.int64)
    step = max(1, CELLS // max(1, items.shape[1] * relevant.shape[1]))
    for start in range(0, len(items), step):
        block = slice(start, start + step)
        matches = items[block, :, None] == relevant[block, None, :]
        ranks[block] = np.where(matches.any(axis=1), matches.argmax(axis=1), items.shape[1])
    return ranks


def invalid_rate(items: np.ndarray, n_items: int) -> float:
    """The share of list entries that are no item of the catalogue.

    A list ends at its last entry other than -1. Before that, -1 and any other number outside
    ``0 .. n_items - 1`` is an invalid entry.

    Args:
        items: ``(B, K)`` item row numbers.
        n_items: N.
    """
    entries = _entries(items)
    return _share(entries & ((items < 0) | (items >= n_items)), entries)


def duplicate_rate(items: np.ndarray) -> float:
    """The share of list entries that repeat an earlier entry of the list.

    Args:
        items: ``(B, K)`` item row numbers, -1 after the end of a list.
    """
    ordered = np.sort(items, axis=1)
    return _share((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0), _entries(items))


def short_rate(items: np.ndarray) -> float:
    """The share of the lists ``(B, K)`` with fewer than K entries."""
    return float((items[:, -1] == -1).mean()) if items.size else 0.0


def _entries(items: np.ndarray) -> np.ndarray:
    later: np.ndarray = np.logical_or.accumulate((items != -1)[:, ::-1], axis=1)[:, ::-1]
    return later


def _share(subset: np.ndarray, entries: np.ndarray) -> float:
    return float(subset.sum() / max(int(entries.sum()), 1))
