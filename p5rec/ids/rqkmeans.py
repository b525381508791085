"""Residual k-means: each level clusters the residuals of the levels before.

Residual vector quantisation as in Zeghidour et al., *SoundStream* (2021, section III-C), used for
item ids by Rajput et al., *TIGER* (2023, section 3.1).

DEVIATION: TIGER learns its codebooks inside an auto-encoder (``rq-vae`` here). This scheme fits
each level by k-means on the residuals of the item vectors.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_seed

from .clusters import cluster
from .config import IdsConfig
from .quantiser import CHUNK, Coded, ItemData, Residual


def fit(config: IdsConfig, items: ItemData) -> Coded:
    """Residual k-means codes; every code of every level is used.

    Raises:
        UserError: fewer items than codes per level.
    """
    enough(len(items), config.sizes)
    codes, books = residual_means(items.vectors, config.sizes, config.seed, config.balanced)
    return Coded(codes, Residual(books), items.vectors, items.vectors)


def residual_means(
    vectors: np.ndarray, sizes: tuple[int, ...], seed: int, balanced: bool = False
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Codes ``(N, L)`` int32 of ``vectors (N, D)`` and the codebooks, L arrays ``(C_l, D)``."""
    residual = np.array(vectors, dtype=np.float32)
    codes, books = np.empty((len(residual), len(sizes)), dtype=np.int32), []
    for level, size in enumerate(sizes):
        own = derive_seed(seed, "ids", "k-means", level) % 2**32
        codes[:, level], book = cluster(residual, size, own, balanced=balanced)
        for start in range(0, len(residual), CHUNK):
            rows = slice(start, start + CHUNK)
            residual[rows] -= book[codes[rows, level]]
        books.append(book)
    return codes, tuple(books)


def enough(n_items: int, sizes: tuple[int, ...]) -> None:
    """Checks that each level has at most as many codes as there are items.

    Raises:
        UserError: a level has more codes.
    """
    if n_items < max(sizes):
        raise input_error(
            "ids.codebook",
            f"at least {max(sizes)} items, one per code",
            f"{n_items} items",
            f"set it to {n_items} or less",
        )
