"""Items a user has not met, for tasks that show a few candidates. Never for a headline number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.rng import mixed, smallest


def sample_negatives(
    met: np.ndarray,
    available: np.ndarray,
    titles: Sequence[str],
    item_keys: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Up to ``count`` different items, drawn evenly from those that a user could have been shown
    and has not met.

    They are the first in an order of hashes of the items' ids, so that an item that is not drawn
    changes nothing by being there. Their titles differ from each other and from those of the items
    met; where fewer such items are left, all of them are given.

    Args:
        met: item rows of the user's events.
        available: ``(N,)`` bool, which items could have been shown.
        titles: of the N items of the catalogue.
        item_keys: ``(N,)`` uint64, of their external ids.
        rng: of this draw.
    """
    items = np.flatnonzero(available)
    hashes = mixed(item_keys[items] ^ rng.integers(2**64, dtype=np.uint64))
    taken = {titles[item] for item in met}
    few = 2 * count + len(taken) + 8  # are enough but where many titles are alike
    found = _distinct(items[smallest(hashes, few)], titles, taken)
    if len(found) < count:
        found = _distinct(items[smallest(hashes, len(items))], titles, taken)
    return found[:count]


def _distinct(items: np.ndarray, titles: Sequence[str], taken: set[str]) -> list[int]:
    """The first of ``items`` with each title, in order, without those whose title is ``taken``."""
    first: dict[str, int] = {}
    for item in items.tolist():
        first.setdefault(titles[item], item)
    return [item for title, item in first.items() if title not in taken]
