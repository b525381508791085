"""Beyond-accuracy metrics of ranked lists: coverage, Gini, novelty, popularity, diversity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, diags_array


def exposure(items: np.ndarray, n_items: int) -> np.ndarray:
    """The number of recommendations of each item, ``(N,)``.

    Args:
        items: ``(B, K)`` item row numbers, -1 after the end of a list.
        n_items: N.
    """
    return np.bincount(items[items >= 0], minlength=n_items)


def coverage(items: np.ndarray, n_items: int) -> float:
    """The share of the N items in at least one of the lists ``(B, K)`` (Ge et al. 2010)."""
    return float((exposure(items, n_items) > 0).mean())


def gini(items: np.ndarray, n_items: int) -> float:
    """Gini coefficient of exposure over the N items: 0 for equal exposure, near 1 for a few items.

    ``sum (2 n - N - 1) x_n / (N sum x_n)`` over the exposures in ascending order (Gini 1912; for
    recommendations Fleder and Hosanagar 2009). NaN if all lists are empty.
    """
    exposures = np.sort(exposure(items, n_items)).astype(np.float64)
    if not exposures.any():
        return float("nan")
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * exposures).sum() / (n_items * exposures.sum()))


def novelty(items: np.ndarray, train_counts: np.ndarray) -> np.ndarray:
    """Mean self-information of each list's items, in bits: ``-log2 p(item)`` (Zhou et al. 2010).

    Args:
        items: ``(B, K)`` item row numbers, -1 after the end of a list.
        train_counts: ``(N,)`` training events of each item; ``p`` is its share of all training
            events, with one event added to every item so that cold items have a finite value.

    Returns:
        ``(B,)``; NaN for empty lists.
    """
    return _per_list(items, -np.log2((train_counts + 1) / (train_counts + 1).sum()))


def popularity(items: np.ndarray, train_counts: np.ndarray) -> np.ndarray:
    """Average recommendation popularity (Yin et al. 2012): training events per item of each list.

    Compared with the mean over the users' own training items, it measures popularity bias.

    Args:
        items: ``(B, K)`` item row numbers, -1 after the end of a list.
        train_counts: ``(N,)`` training events of each item.

    Returns:
        ``(B,)``; NaN for empty lists.
    """
    return _per_list(items, train_counts.astype(np.float64))


def over_lists(values: np.ndarray) -> float:
    """The mean of ``values (B,)`` without NaNs; NaN if all are NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def indicators(values: Sequence[Sequence[str]]) -> csr_array:
    """Attributes as indicator vectors ``(N, A)``: 1 if item n has the a-th value (sorted)."""
    column = {value: a for a, value in enumerate(sorted({v for own in values for v in own}))}
    sets = [sorted(column[value] for value in set(own)) for own in values]
    starts = np.cumsum([0, *map(len, sets)])
    columns = np.array([a for own in sets for a in own], dtype=np.int64)
    return csr_array((np.ones(len(columns)), columns, starts), shape=(len(values), len(column)))


def intra_list_diversity(items: np.ndarray, vectors: np.ndarray | csr_array) -> np.ndarray:
    """Mean of ``1 - cosine`` over the pairs of items in each list (Ziegler et al. 2005).

    Args:
        items: ``(B, K)`` distinct item row numbers, -1 after the end of a list.
        vectors: ``(N, D)`` item vectors, or :func:`indicators`: the cosine of two sets is the
            number of common values over the root of the product of their sizes. Items with a zero
            vector are skipped.

    Returns:
        ``(B,)``; NaN for lists with fewer than two items that have a vector.
    """
    vectors = csr_array(vectors, dtype=np.float64)
    norms = np.sqrt(vectors.power(2).sum(axis=1))
    known = norms > 0
    unit = diags_array(1 / np.where(known, norms, 1)) @ vectors
    listed = items >= 0
    rows = np.repeat(np.arange(len(items)), listed.sum(axis=1))
    members = csr_array((np.ones(len(rows)), (rows, items[listed])), (len(items), len(known)))
    # the sum over pairs follows from |v1 + ... + vn|^2 = n + 2 * (sum of cosines)
    n = members @ known.astype(np.float64)
    cosines = ((members @ unit).power(2).sum(axis=1) - n) / 2
    pairs = n * (n - 1) / 2
    mean: np.ndarray = np.divide(cosines, pairs, out=np.full(len(items), np.nan), where=pairs > 0)
    return 1 - mean


def _per_list(items: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of ``values (N,)`` over the items of each list, ``(B,)``."""
    listed = items >= 0
    number = listed.sum(axis=1)
    total = np.where(listed, values[np.where(listed, items, 0)], 0).sum(axis=1)
    mean: np.ndarray = np.divide(total, number, out=np.full(len(items), np.nan), where=number > 0)
    return mean
