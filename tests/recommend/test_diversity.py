"""Maximal marginal relevance against its definition."""

from __future__ import annotations

import numpy as np

from p5rec.recommend.diversity import marginal_relevance


def candidates(requests: int = 5, pool: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items, descending scores and item vectors; the second list is shorter."""
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(20)[:pool] for _ in range(requests)]).astype(np.int32)
    scores = -np.sort(rng.exponential(size=(requests, pool)).astype(np.float32), axis=1)
    items[1, 3:], scores[1, 3:] = -1, -np.inf
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    vectors[7] = np.nan
    return items, scores, vectors


def test_a_list_follows_the_definition():
    items, scores, vectors = candidates()
    got, values = marginal_relevance(items, scores, vectors, 6, 0.4)
    for b, own in enumerate(items):
        pool = own[own >= 0].tolist()
        low, high = scores[b, len(pool) - 1], scores[b, 0]
        relevance = {i: (s - low) / (high - low) for i, s in zip(pool, scores[b], strict=False)}
        chosen: list[int] = []

        def similarity(i: int, chosen: list[int] = chosen) -> float:
            cosines = [
                vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
                for j in chosen
            ]
            return max(0.0, *np.nan_to_num(cosines), 0.0)

        while len(chosen) < min(6, len(pool)):
            left = [i for i in pool if i not in chosen]
            value = [0.6 * relevance[i] - 0.4 * similarity(i) for i in left]
            assert np.isclose(values[b, len(chosen)], max(value), atol=1e-5)
            chosen.append(left[int(np.argmax(value))])
        assert got[b, : len(chosen)].tolist() == chosen
        assert (got[b, len(chosen) :] == -1).all()


def test_scores_descend_and_weight_0_keeps_the_order():
    items, scores, vectors = candidates()
    for weight in (0.0, 0.3, 1.0):
        values = marginal_relevance(items, scores, vectors, 9, weight)[1]
        assert (values[:, :-1] >= values[:, 1:]).all()
    assert np.array_equal(marginal_relevance(items, scores, vectors, 9, 0.0)[0], items)
