"""Re-ranking with diversity: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

B requests, P candidates, K list length, N items, D width of the item vectors.
"""

from __future__ import annotations

import numpy as np


def marginal_relevance(
    items: np.ndarray, scores: np.ndarray, vectors: np.ndarray, k: int, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """The first ``k`` candidates by maximal marginal relevance.

    Each step takes the candidate with the largest ``(1 - weight) * relevance - weight *
    similarity``. The relevance is the candidate's score, scaled to 0..1 within its request; the
    similarity is its largest cosine with a candidate taken before, at least 0.

    Args:
        items: ``(B, P)`` item rows, best first, -1 after the end of a list.
        scores: ``(B, P)`` descending, -inf after the end.
        vectors: ``(N, D)``; NaN without a vector, which resembles nothing.
        k: K.
        weight: of the similarity, 0..1; 0 keeps the order.

    Returns:
        ``(B, K)`` int32 items and float32 marginal relevance, descending; -1 and -inf after the end
        of a list.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.nan_to_num(vectors / np.where(norms > 0, norms, 1.0))[items]  # (B, P, D)
    real = items >= 0
    low = np.where(real, scores, np.inf).min(1, keepdims=True, initial=np.inf)
    span = np.where(real, scores - low, 0.0)
    relevance = span / np.maximum(span.max(1, keepdims=True, initial=0.0), 1e-9)
    similarity = np.zeros(items.shape)
    rows, out = np.arange(len(items)), np.full((len(items), k), -1, dtype=np.int32)
    values = np.full((len(items), k), -np.inf, dtype=np.float32)
    for step in range(min(k, items.shape[1])):
        marginal = np.where(real, (1 - weight) * relevance - weight * similarity, -np.inf)
        best = marginal.argmax(1)
        values[:, step] = marginal[rows, best]
        out[:, step] = np.where(real[rows, best], items[rows, best], -1)
        real[rows, best] = False
        cosine = np.einsum("bpd,bd->bp", unit, unit[rows, best])
        similarity = np.maximum(similarity, cosine)
    return out, values
