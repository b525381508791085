"""Codes without meaning: the control that every learned scheme has to beat.

A control may differ in the mechanism alone. So the structure is fitted exactly as for residual
k-means and its codes are then dealt out to the items anew: the codebooks, the number of parameters
and the shape of the tree are equal, and only the link between an item and its place is gone.
"""

from __future__ import annotations

from math import prod

import numpy as np

from p5rec.core.errors import fault
from p5rec.core.rng import derive_rng
from p5rec.core.types import ItemCodes

from .collisions import Collisions
from .config import IdsConfig
from .rqkmeans import fit as fit_reference


def fit(config: IdsConfig, vectors: np.ndarray) -> tuple[ItemCodes, Collisions | None]:
    """Random codes for N items: a fitted tree's, or any where ``vectors (N, D)`` has no columns."""
    if not vectors.shape[1]:
        return uniform(len(vectors), config.sizes, config.seed), None
    codes, collisions = fit_reference(config, vectors)
    return permuted(codes, config.seed), collisions


def permuted(codes: ItemCodes, seed: int) -> ItemCodes:
    """The same code tuples, dealt out to the items by a seeded permutation."""
    deal = derive_rng(seed, "ids", "permute").permutation(len(codes))
    return ItemCodes(codes.codes[deal], codes.sizes, "random")


def uniform(n_items: int, sizes: tuple[int, ...], seed: int) -> ItemCodes:
    """N different code tuples, every choice of them equally likely.

    Raises:
        UserError: fewer tuples than items, or so many that they cannot be numbered.
    """
    if not n_items <= prod(sizes) <= 2**62:
        raise fault(
            "ids",
            f"between {n_items} (the items) and 2^62 code tuples",
            f"{prod(sizes)} from levels of {', '.join(map(str, sizes))} codes",
            "change codebook or levels",
        )
    rng = derive_rng(seed, "ids", "uniform")
    numbers = rng.choice(prod(sizes), size=n_items, replace=False)
    codes = np.stack(np.unravel_index(numbers, sizes), axis=1).astype(np.int32)
    return ItemCodes(codes, sizes, "random")
