"""Random streams that depend on what is drawn, never on when or where."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the purpose ``names`` under the run's ``seed``.

    Two purposes never share a stream, and the order in which they are asked for
    changes nothing, so neither does the number of workers or processes.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def derive_rng(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the purpose ``names`` (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, *names))


def tie_order(n_items: int, seed: int) -> np.ndarray:
    """The seeded permutation ``(N,)`` by which every method breaks ties in scores.

    Of two items with equal scores the one with the smaller value ranks first.
    """
    return derive_rng(seed, "ties").permutation(n_items)
