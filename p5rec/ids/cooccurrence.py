"""Item vectors from the co-occurrence of items in training histories.

Levy & Goldberg, *Neural word embedding as implicit matrix factorization* (NIPS 2014): the positive
pointwise mutual information of pairs within a window, factored by a truncated SVD, rows of
``U sqrt(S)`` (their section 4.2 with the symmetric split of the singular values).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_rng
from p5rec.core.types import Interactions, Split

from .config import CooccurrenceConfig


def pair_counts(interactions: Interactions, split: Split, window: int) -> sp.csr_array:
    """``(N, N)`` symmetric counts of training events at most ``window`` apart in one history.

    Other events are dropped before pairs are formed, so the distance counts training events alone.
    Pairs of an item with itself are excluded.
    """
    train = split.mask("train")
    users, items = interactions.users[train], interactions.items[train]
    shape = (interactions.n_items, interactions.n_items)
    counts = sp.csr_array(shape, dtype=np.float64)
    for gap in range(1, window + 1):
        pairs = (users[gap:] == users[:-gap]) & (items[gap:] != items[:-gap])
        before, after = items[:-gap][pairs], items[gap:][pairs]
        counts += sp.coo_array((np.ones(len(before)), (before, after)), shape=shape).tocsr()
    return (counts + counts.T).tocsr()


def ppmi(counts: sp.csr_array) -> sp.csr_array:
    """``(N, N)`` positive pointwise mutual information, ``max(0, log p(i,j) / (p(i) p(j)))``."""
    marginal = np.asarray(counts.sum(axis=1)).ravel()
    pairs = counts.tocoo()
    value = np.log(pairs.data * marginal.sum() / (marginal[pairs.row] * marginal[pairs.col]))
    positive = value > 0
    entries = value[positive], (pairs.row[positive], pairs.col[positive])
    return sp.csr_array(entries, shape=counts.shape)


def cooccurrence_vectors(
    interactions: Interactions, split: Split, config: CooccurrenceConfig, seed: int
) -> np.ndarray:
    """One vector per item from the training events alone.

    Args:
        interactions: all events; events outside the training split are ignored.
        split: the split.
        config: width and window.
        seed: seed of the initial vector of the SVD.

    Returns:
        ``(N, d)`` float32, ``d = min(config.dim, N - 1)``. Items without a training event, or
        without co-occurrence, get a row of NaN.

    Raises:
        UserError: no two training events of one user lie within the window.
    """
    information = ppmi(pair_counts(interactions, split, config.window))
    if not information.nnz:
        raise input_error(
            "ids.vectors.cooccurrence",
            "training histories in which items co-occur",
            f"{int(split.mask('train').sum())} training events without any such pair",
            "use text vectors alone (cooccurrence: null) or more data",
        )
    n_items = information.shape[0]
    start = derive_rng(seed, "ids", "svd").standard_normal(n_items)
    left, values, _ = svds(information, k=min(config.dim, n_items - 1), v0=start, solver="arpack")
    left, values = left[:, ::-1], values[::-1]  # svds returns the smallest values first
    # a singular vector's sign is arbitrary: its largest entry is made positive
    peak = left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])]
    vectors = left * np.where(peak < 0, -1.0, 1.0) * np.sqrt(values)
    vectors[np.diff(information.indptr) == 0] = np.nan
    return vectors.astype(np.float32)
