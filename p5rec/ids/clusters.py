"""k-means for all id schemes: no dead centroids, and the same result for any number of threads."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .assignment import spill
from .quantiser import CHUNK, distances

THOROUGH = 2, 300  # restarts and iterations of small problems
QUICK = 1, 25  # restarts and iterations if an iteration takes COSTLY products or more
COSTLY = 1e8
SAMPLE = 256  # training points per centroid; more points do not change the centroids


def cluster(
    points: np.ndarray, size: int, seed: int, *, balanced: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(N,)`` int64 and centroids ``(size, D)`` float32, each with at least one point.

    Args:
        points: ``(N, D)`` float32, N at least ``size``.
        size: number of centroids.
        seed: seed of the initial centroids and of the sample.
        balanced: limit each centroid to an even share of the points, rounded up.
    """
    rng = np.random.default_rng(seed)
    sample = sampled(points, SAMPLE * size, rng)
    many = len(sample) < len(points)
    restarts, rounds = THOROUGH if sample.size * size < COSTLY else QUICK
    means = KMeans(size, n_init=restarts, max_iter=rounds, random_state=seed)
    # one thread: sums over several threads round differently and change labels
    with threadpool_limits(1), warnings.catch_warnings():
        # fewer distinct points than centroids (`_revive` fixes this), or enough iterations
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(sample)
        centroids = means.cluster_centers_.astype(np.float32)
        labels = _nearest(points, centroids) if many else means.labels_.astype(np.int64)
        labels, centroids = _revive(points, labels, centroids)
        if balanced:
            capacity = np.full(size, -(-len(points) // size))
            labels = spill(distances(points, centroids), labels, capacity)
    return labels, centroids


def refined(points: np.ndarray, centroids: np.ndarray, steps: int) -> np.ndarray:
    """Centroids ``(size, D)`` float32 after ``steps`` more iterations, each with a point.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(size, D)`` to start from.
        steps: iterations of k-means.
    """
    means = KMeans(len(centroids), init=centroids, n_init=1, max_iter=steps)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(points)
    labels = means.labels_.astype(np.int64)
    return _revive(points, labels, means.cluster_centers_.astype(np.float32))[1]


def sampled(points: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """A uniform sample of at most ``most`` of the points ``(N, D)``, in their order."""
    if len(points) <= most:
        return points
    return points[np.sort(rng.choice(len(points), most, replace=False))]


def _nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The centroid ``(N,)`` nearest to each point."""
    half = 0.5 * np.square(centroids).sum(axis=1)
    chunks = [
        (half - points[start : start + CHUNK] @ centroids.T).argmin(axis=1)
        for start in range(0, len(points), CHUNK)
    ]
    return np.concatenate(chunks)


def _revive(
    points: np.ndarray, labels: np.ndarray, centroids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves each centroid without points to one of the points with the largest error."""
    dead = np.setdiff1d(np.arange(len(centroids)), labels)
    if not len(dead):
        return labels, centroids
    far = np.square(points - centroids[labels]).sum(axis=1)
    order = np.lexsort((far, labels))
    first = np.r_[True, labels[order][1:] != labels[order][:-1]]
    spare = order[~first]  # the nearest point of each cluster stays, so no cluster becomes empty
    moved = spare[np.argsort(-far[spare], kind="stable")[: len(dead)]]
    labels, centroids = labels.copy(), centroids.copy()
    labels[moved], centroids[dead] = dead, points[moved]
    return labels, centroids
