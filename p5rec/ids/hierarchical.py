"""Hierarchical id schemes: each node is clustered separately, by vectors or by co-occurrence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from p5rec.core.rng import by_key, derive_seed, ranks

from .clusters import cluster
from .config import IdsConfig
from .cooccurrence import pair_counts
from .prefixes import by_group, prefix_groups
from .quantiser import Coded, ItemData, Tree
from .rqkmeans import enough

EXACT = 2000  # largest graph with an exact eigendecomposition, in items
WINDOW = 5  # largest distance of co-occurring items, in events
Clustering = Callable[[np.ndarray, int, int], np.ndarray]  # rows, clusters, seed → label per row


def by_kmeans(config: IdsConfig, items: ItemData) -> Coded:
    """Hierarchical k-means: the items of each node are clustered separately.

    Raises:
        UserError: fewer items than codes per level.
    """
    enough(len(items), config.sizes)

    def split(rows: np.ndarray, clusters: int, seed: int) -> np.ndarray:
        return cluster(items.vectors[rows], clusters, seed, balanced=config.balanced)[0]

    return _build_tree(config, items, split)


def by_cooccurrence(config: IdsConfig, items: ItemData) -> Coded:
    """Recursive spectral clustering of the co-occurrence graph of the training events.

    P5-CID, Hua et al. 2023 (*How to index item IDs for recommendation foundation models*, section
    4.3). DEVIATION: the number of levels is fixed, the last level separates the remaining items,
    and items without co-occurrence are spread over the clusters instead of sharing one.

    Raises:
        UserError: fewer items than codes per level.
    """
    enough(len(items), config.sizes)
    graph = pair_counts(items.interactions, items.split, WINDOW)

    def split(rows: np.ndarray, clusters: int, seed: int) -> np.ndarray:
        return _spectral(graph[rows][:, rows].tocsr(), clusters, seed)

    return _build_tree(config, items, split)


def with_own_token(config: IdsConfig, items: ItemData) -> Coded:
    """CID codes and a last level with one code per item (CID + IID in the paper)."""
    tree = by_cooccurrence(config, items)
    own = ranks(items.keys, config.seed, "ids", "own token").astype(np.int32)
    codes = np.column_stack([tree.codes, own])
    sizes = (*tree.sizes, len(items))
    return Coded(codes, Tree.over(codes, sizes, items.vectors), tree.points, items.vectors)


def _build_tree(config: IdsConfig, items: ItemData, split: Clustering) -> Coded:
    codes = np.empty((len(items), config.levels), dtype=np.int32)
    order = by_key(items.keys, config.seed, "ids", "leaves")
    for level, size in enumerate(config.sizes):
        for node, own in enumerate(by_group(prefix_groups(codes, level), order)):
            # a node with fewer items than codes needs no clustering: each item gets a code
            few = len(own) <= size
            seed = derive_seed(config.seed, "ids", "node", level, node) % 2**32
            codes[own, level] = np.arange(len(own)) if few else split(own, size, seed)
    sizes = config.sizes
    return Coded(codes, Tree.over(codes, sizes, items.vectors), items.vectors, items.vectors)


def _spectral(graph: sp.csr_array, clusters: int, seed: int) -> np.ndarray:
    """Normalised spectral clustering (Ng, Jordan & Weiss 2002) of a graph ``(n, n)`` → ``(n,)``."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    linked = np.flatnonzero(degree > 0)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(len(degree)) % clusters  # for items without co-occurrence
    if len(linked) <= clusters:
        return labels
    scale = sp.diags_array(1 / np.sqrt(degree[linked]))
    normal = (scale @ graph[linked][:, linked] @ scale).tocsr()
    width = min(clusters, len(linked) - 1)
    if len(linked) <= EXACT:  # exact for repeated eigenvalues too
        with threadpool_limits(1):
            vectors = np.linalg.eigh(normal.toarray())[1][:, -width:]
    else:
        start = rng.standard_normal(len(linked))
        with threadpool_limits(1):
            vectors = eigsh(normal, k=width, which="LA", v0=start, tol=1e-6)[1]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    points = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    labels[linked] = cluster(points, clusters, seed)[0]
    return labels
