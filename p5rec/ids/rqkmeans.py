"""Residual k-means: every level clusters what the levels before left unsaid.

Residual vector quantisation as in Zeghidour et al., *SoundStream* (2021, section III-C), used for
item ids by Rajput et al., *TIGER* (2023, section 3.1).

DEVIATION: TIGER learns its codebooks inside an auto-encoder; here each level is fitted by k-means
on the residuals themselves, in the space of the item vectors.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from p5rec.core.errors import fault
from p5rec.core.rng import derive_seed
from p5rec.core.types import ItemCodes

from .collisions import Collisions
from .config import POLICIES, IdsConfig
from .quantised import Quantised

RESTARTS = 2


def fit(config: IdsConfig, vectors: np.ndarray) -> tuple[ItemCodes, Collisions]:
    """Codes for vectors ``(N, D)``, made unique by the config's collision policy."""
    quantised = quantise(vectors, config.sizes, config.seed)
    resolved = POLICIES.get(config.collisions)(quantised, config.seed)
    return ItemCodes(resolved.codes, resolved.sizes, config.scheme), resolved.collisions


def quantise(vectors: np.ndarray, sizes: tuple[int, ...], seed: int) -> Quantised:
    """Residual k-means with ``sizes[l]`` centroids at level l.

    Args:
        vectors: ``(N, D)``, N at least the largest size.
        sizes: centroids a level.
        seed: of the starting centroids.

    Returns:
        Codes that are all in use at every level, the codebooks, and the vectors as float32.

    Raises:
        UserError: fewer items than codes a level.
    """
    if len(vectors) < max(sizes):
        raise fault(
            "ids.codebook",
            f"at least {max(sizes)} items, one a code",
            f"{len(vectors)} items",
            f"set it to {len(vectors)} or less",
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    residual = vectors
    labels, books = [], []
    for level, size in enumerate(sizes):
        label, book = _cluster(residual, size, derive_seed(seed, "ids", "k-means", level) % 2**32)
        residual = residual - book[label]
        labels.append(label)
        books.append(book)
    return Quantised(vectors, np.stack(labels, axis=1).astype(np.int32), tuple(books))


def _cluster(points: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(N,)`` and centroids ``(size, D)``, each with at least one point."""
    means = KMeans(size, n_init=RESTARTS, random_state=seed)
    # one thread: sums over several are rounded differently, and then the labels differ
    with threadpool_limits(1), warnings.catch_warnings():
        # fewer distinct points than centroids: mended below
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(points)
    return _revive(points, means.labels_, means.cluster_centers_)


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
