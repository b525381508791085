"""Residual k-means: every level clusters what the levels before left unsaid.

Residual vector quantisation as in Zeghidour et al., *SoundStream* (2021, section III-C), used for
item ids by Rajput et al., *TIGER* (2023, section 3.1).

DEVIATION: TIGER learns its codebooks inside an auto-encoder (``rq-vae`` here); this one fits each
level by k-means on the residuals themselves, in the space of the item vectors.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.rng import derive_seed

from .clusters import cluster
from .config import IdsConfig
from .quantiser import ROWS, Coded, ItemData, Residual


def fit(config: IdsConfig, items: ItemData) -> Coded:
    """Codes that are all in use at every level.

    Raises:
        UserError: fewer items than codes a level.
    """
    enough(len(items), config.sizes)
    codes, books = residual_means(items.vectors, config.sizes, config.seed, config.balanced)
    return Coded(codes, Residual(books), items.vectors, items.vectors)


def residual_means(
    vectors: np.ndarray, sizes: tuple[int, ...], seed: int, balanced: bool = False
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Codes ``(N, L)`` int32 of ``vectors (N, D)`` and the codebooks, L arrays ``(C_l, D)``."""
    left = np.array(vectors, dtype=np.float32)
    codes, books = np.empty((len(left), len(sizes)), dtype=np.int32), []
    for level, size in enumerate(sizes):
        own = derive_seed(seed, "ids", "k-means", level) % 2**32
        codes[:, level], book = cluster(left, size, own, balanced=balanced)
        for start in range(0, len(left), ROWS):
            rows = slice(start, start + ROWS)
            left[rows] -= book[codes[rows, level]]
        books.append(book)
    return codes, tuple(books)


def enough(n_items: int, sizes: tuple[int, ...]) -> None:
    """Refuses more codes a level than items.

    Raises:
        UserError: there are.
    """
    if n_items < max(sizes):
        raise input_error(
            "ids.codebook",
            f"at least {max(sizes)} items, one a code",
            f"{n_items} items",
            f"set it to {n_items} or less",
        )
