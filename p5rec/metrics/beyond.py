"""What lists are like beyond being right: how much of the catalogue they show, and how evenly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array


def exposure(items: np.ndarray, n_items: int) -> np.ndarray:
    """How often each item is listed, ``(N,)``, over lists ``(B, K)`` with -1 where they ended."""
    return np.bincount(items[items >= 0], minlength=n_items)


def coverage(items: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that at least one of the lists ``(B, K)`` shows."""
    return float((exposure(items, n_items) > 0).mean())


def gini(items: np.ndarray, n_items: int) -> float:
    """Gini coefficient of exposure over the N items: 0 all alike, towards 1 a few take all.

    NaN where nothing is listed.
    """
    shown = np.sort(exposure(items, n_items)).astype(np.float64)
    if not shown.any():
        return float("nan")
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * shown).sum() / (n_items * shown.sum()))


def novelty(items: np.ndarray, train_counts: np.ndarray) -> float:
    """Mean self-information of the listed items, in bits: ``-log2 p(item)`` (Zhou et al. 2010).

    Args:
        items: ``(B, K)`` item rows, -1 where the list ended.
        train_counts: ``(N,)`` training events of each item; ``p`` is the share of all training
            events, with one added to every item so that an unseen one is finite.
    """
    bits = -np.log2((train_counts + 1) / (train_counts.sum() + len(train_counts)))
    listed = items[items >= 0]
    return float(bits[listed].mean()) if listed.size else float("nan")


def indicators(values: Sequence[Sequence[str]]) -> np.ndarray:
    """One attribute as vectors ``(N, A)``: 1 where item n has the a-th value (in sorted order)."""
    column = {value: a for a, value in enumerate(sorted({v for own in values for v in own}))}
    found = np.zeros((len(values), len(column)), dtype=np.float32)
    rows = np.repeat(np.arange(len(values)), [len(own) for own in values])
    found[rows, [column[v] for own in values for v in own]] = 1
    return found


def intra_list_diversity(items: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean of ``1 - cosine`` over the pairs of items in each list (Ziegler et al. 2005).

    Args:
        items: ``(B, K)`` distinct item rows, -1 where the list ended.
        vectors: ``(N, D)`` item vectors, or :func:`indicators`. An item with a zero vector is
            unknown and left out.

    Returns:
        ``(B,)``; NaN for lists with fewer than two known items.
    """
    norms = np.linalg.norm(vectors, axis=1)
    known = norms > 0
    unit = vectors / np.where(known, norms, 1)[:, None]
    listed = items >= 0
    rows = np.repeat(np.arange(len(items)), listed.sum(axis=1))
    members = csr_array(
        (np.ones(len(rows)), (rows, items[listed])), shape=(len(items), len(vectors))
    )
    # the sum over pairs falls out of |v1 + ... + vn|^2 = n + 2 * (sum of cosines)
    n = members @ known.astype(np.float64)
    cosines = (np.square(members @ unit).sum(axis=1) - n) / 2
    pairs = n * (n - 1) / 2
    mean: np.ndarray = np.divide(cosines, pairs, out=np.full(len(items), np.nan), where=pairs > 0)
    return 1 - mean
