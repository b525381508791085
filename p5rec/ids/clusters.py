"""k-means as every scheme uses it: no dead centroids, the same on any number of threads."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .assignment import spill
from .quantiser import ROWS, distances

THOROUGH = 2, 300  # restarts and rounds, where they cost little
QUICK = 1, 25  # and where a round takes this many products or more:
COSTLY = 1e8
SAMPLE = 256  # points a centroid that the centroids are fitted on; more do not move them


def cluster(
    points: np.ndarray, size: int, seed: int, *, balanced: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(N,)`` int64 and centroids ``(size, D)`` float32, each with at least one point.

    Args:
        points: ``(N, D)`` float32, N at least ``size``.
        size: centroids.
        seed: of the starting centroids and of the sample.
        balanced: let no centroid have more than its even share of the points, rounded up.
    """
    rng = np.random.default_rng(seed)
    sample = sampled(points, SAMPLE * size, rng)
    many = len(sample) < len(points)
    restarts, rounds = THOROUGH if sample.size * size < COSTLY else QUICK
    means = KMeans(size, n_init=restarts, max_iter=rounds, random_state=seed)
    # one thread: sums over several are rounded differently, and then the labels differ
    with threadpool_limits(1), warnings.catch_warnings():
        # fewer distinct points than centroids (mended below), or rounds enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(sample)
        centroids = means.cluster_centers_.astype(np.float32)
        labels = _nearest(points, centroids) if many else means.labels_.astype(np.int64)
        labels, centroids = _revive(points, labels, centroids)
        if balanced:
            room = np.full(size, -(-len(points) // size))
            labels = spill(distances(points, centroids), labels, room)
    return labels, centroids


def sampled(points: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of the points ``(N, D)``, drawn evenly, in their order."""
    if len(points) <= most:
        return points
    return points[np.sort(rng.choice(len(points), most, replace=False))]


def _nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The centroid ``(N,)`` nearest to each point."""
    half = 0.5 * np.square(centroids).sum(axis=1)
    parts = [
        (half - points[start : start + ROWS] @ centroids.T).argmin(axis=1)
        for start in range(0, len(points), ROWS)
    ]
    return np.concatenate(parts)


def _revive(
    points: np.ndarray, labels: np.ndarray, centroids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each centroid without points moves onto one of the points that are worst served."""
    dead = np.setdiff1d(np.arange(len(centroids)), labels)
    if not len(dead):
        return labels, centroids
    far = np.square(points - centroids[labels]).sum(axis=1)
    order = np.lexsort((far, labels))
    first = np.r_[True, labels[order][1:] != labels[order][:-1]]
    spare = order[~first]  # the nearest point of each cluster stays, so none falls empty
    moved = spare[np.argsort(-far[spare], kind="stable")[: len(dead)]]
    labels, centroids = labels.copy(), centroids.copy()
    labels[moved], centroids[dead] = dead, points[moved]
    return labels, centroids
