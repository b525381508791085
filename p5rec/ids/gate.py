"""Refuses codes that no model could make much of, before anything is trained on them."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from p5rec.core.errors import UserError

from .config import IdsConfig
from .prefixes import prefix_groups

UTILISATION = 0.8  # of a level's codes must be used, as far as there are items for them
UNIQUE = 0.6  # of the items must be told apart by the levels that mean something


def check(config: IdsConfig, codes: np.ndarray, sizes: tuple[int, ...]) -> None:
    """Looks at finished codes; ``config.accept`` lets a fault pass by its name.

    - ``utilisation``: codes of a level that no item has are rows that no model learns.
    - ``unique``: items that share all that the scheme says of them are told apart by a mere number,
      of which a model can learn nothing that holds for other items.

    Args:
        config: of the codes.
        codes: ``(N, L)``, without a last level that only numbers equal items.
        sizes: of the L levels.

    Raises:
        UserError: a line for each fault.
    """
    n_items = len(codes)
    faults = []
    for level, size in enumerate(sizes):
        used = len(np.unique(codes[:, level])) / min(size, n_items)
        if used < UTILISATION and "utilisation" not in config.accept:
            faults.append(
                f"ids ({config.scheme}): expected {UTILISATION:.0%} of level "
                f"{ascii_lowercase[level]}'s {size} codes or more in use, got {used:.0%}; take a "
                "smaller codebook, or say accept: [utilisation]"
            )
    distinct = (int(prefix_groups(codes, codes.shape[1]).max(initial=-1)) + 1) / max(n_items, 1)
    if distinct < UNIQUE and "unique" not in config.accept:
        faults.append(
            f"ids ({config.scheme}): expected {UNIQUE:.0%} of the items or more to differ before "
            f"they are numbered, got {distinct:.0%}; take more levels, a larger codebook or "
            "collisions: nearest-free, or say accept: [unique]"
        )
    if faults:
        raise UserError(*faults)
