"""How high the right items stand in ranked lists.

A hit is counted on the item row, once, at its first place in the list. B lists of K places,
T relevant items a list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KS = (5, 10, 20)
CELLS = 2**24  # pairs of a listed and a relevant item that are held at a time


def per_user(
    items: np.ndarray, targets: np.ndarray, ks: Sequence[int] = KS
) -> dict[str, np.ndarray]:
    """HR@k, NDCG@k and MRR@k of each list; with several relevant items Recall, Precision, MAP too.

    With ``R`` relevant items, of which those found stand at places ``r`` (from 1) up to k:

    - ``HR@k`` is 1 where any is found, and with R = 1 the same as ``Recall@k``;
    - ``NDCG@k`` is ``sum 1 / log2(r + 1)`` over the best such sum that k places could have
      (Järvelin and Kekäläinen 2002, binary gains);
    - ``MRR@k`` is ``1 / r`` of the first (Voorhees 1999);
    - ``Recall@k`` is the number found over R, ``Precision@k`` the same number over k, however
      long the list is;
    - ``MAP@k`` is the sum of Precision@r over the places r, over R (Buckley and Voorhees 2000; as
      trec_eval's ``map_cut``, ranx and RecTools count it: lists with R > k cannot reach 1).

    A relevant item that is listed twice is found once, at its first place.

    Args:
        items: ``(B, K)`` item rows, best first, -1 where the list ended.
        targets: ``(B,)`` the relevant item, or ``(B, T)`` distinct ones with -1 as padding.
        ks: depths, each at most K.

    Returns:
        Metric name to ``(B,)`` float64.

    Raises:
        ValueError: shapes that do not fit, a depth beyond K, or a list without a relevant item.
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

    places = _places(items, relevant)
    places[~known] = items.shape[1]
    gains = 1 / np.log2(places + 2.0)
    nth = np.sort(places, axis=1)
    precisions = np.arange(1, places.shape[1] + 1) / (nth + 1)  # down to the nth one found
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(relevant.shape[1]) + 2.0))])

    found: dict[str, np.ndarray] = {}
    for k in ks:
        hit = places < k
        found[f"HR@{k}"] = np.logical_or.reduce(hit, axis=1).astype(np.float64)
        found[f"NDCG@{k}"] = (gains * hit).sum(axis=1) / ideal[np.minimum(number, k)]
        found[f"MRR@{k}"] = np.where(hit, 1 / (places + 1.0), 0).max(axis=1)
        if targets.ndim == 2:
            found[f"Recall@{k}"] = hit.sum(axis=1) / number
            found[f"Precision@{k}"] = hit.sum(axis=1) / k
            found[f"MAP@{k}"] = (precisions * (nth < k)).sum(axis=1) / number
    return found


def hits(items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(B, K)`` bool: the entries of each list that are relevant.

    Args:
        items, targets: see :func:`per_user`.
    """
    relevant = targets if targets.ndim == 2 else targets[:, None]
    size = 1 + max(int(items.max(initial=0)), int(relevant.max(initial=0)))
    rows = np.arange(len(items), dtype=np.int64)[:, None] * size
    found: np.ndarray = np.isin(rows + items, (rows + relevant)[relevant >= 0]) & (items >= 0)
    return found


def _places(items: np.ndarray, relevant: np.ndarray) -> NDArray[np.int64]:
    """``(B, T)`` the place of each relevant item in its list, from 0; K where it is absent."""
    places = np.empty(relevant.shape, dtype=np.int64)
    step = max(1, CELLS // max(1, items.shape[1] * relevant.shape[1]))
    for start in range(0, len(items), step):
        rows = slice(start, start + step)
        matches = items[rows, :, None] == relevant[rows, None, :]
        places[rows] = np.where(matches.any(axis=1), matches.argmax(axis=1), items.shape[1])
    return places


def invalid_rate(items: np.ndarray, n_items: int) -> float:
    """Share of list entries that name no item of the catalogue.

    A list reaches to its last entry other than -1: the -1 after it are no entries, a -1 before
    it is an invalid one, as is any number outside ``0 .. n_items - 1``.

    Args:
        items: ``(B, K)`` item rows.
        n_items: N.
    """
    entries = _entries(items)
    return _share(entries & ((items < 0) | (items >= n_items)), entries)


def duplicate_rate(items: np.ndarray) -> float:
    """Share of list entries that repeat an earlier one of the same list.

    Args:
        items: ``(B, K)`` item rows, -1 where the list ended.
    """
    ordered = np.sort(items, axis=1)
    return _share((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0), _entries(items))


def short_rate(items: np.ndarray) -> float:
    """Share of the ``(B, K)`` lists that have fewer than K entries."""
    return float((items[:, -1] == -1).mean()) if items.size else 0.0


def _entries(items: np.ndarray) -> np.ndarray:
    later: np.ndarray = np.logical_or.accumulate((items != -1)[:, ::-1], axis=1)[:, ::-1]
    return later


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))
