"""Quality thresholds: rejects unusable codes before a model trains on them."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError

from .config import IdsConfig
from .prefixes import prefix_groups
from .tokens import level_names

UTILISATION = 0.8  # least share of used codes per level (of N codes at most)
UNIQUE = 0.6  # least share of distinct code tuples per item, before items are numbered


def check(config: IdsConfig, codes: np.ndarray, sizes: tuple[int, ...]) -> None:
    """Checks codes against the quality thresholds; ``config.accept`` names thresholds to skip.

    - ``utilisation``: embeddings of unused codes are never trained.
    - ``unique``: colliding items differ by a number alone, which does not generalise to other
      items.

    Args:
        config: config of the codes.
        codes: ``(N, L)``, without a last level that numbers equal items.
        sizes: codes per level.

    Raises:
        UserError: one line per missed threshold.
    """
    n_items, names = len(codes), level_names(len(sizes))
    errors = []
    for level, size in enumerate(sizes):
        used = len(np.unique(codes[:, level])) / min(size, n_items)
        if used < UTILISATION and "utilisation" not in config.accept:
            errors.append(
                f"ids ({config.scheme}): expected {UTILISATION:.0%} of level "
                f"{names[level]}'s {size} codes or more in use, got {used:.0%}; take a "
                "smaller codebook, or set accept: [utilisation]"
            )
    distinct = (int(prefix_groups(codes, codes.shape[1]).max(initial=-1)) + 1) / max(n_items, 1)
    if distinct < UNIQUE and "unique" not in config.accept:
        errors.append(
            f"ids ({config.scheme}): expected {UNIQUE:.0%} of the items or more to differ before "
            f"they are numbered, got {distinct:.0%}; take more levels, a larger codebook or "
            "collisions: nearest-free, or set accept: [unique]"
        )
    if errors:
        raise UserError(*errors)
