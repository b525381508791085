"""Sampled negatives for tasks with a few candidates in the prompt.

Headline metrics never use them: these rank the full catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.rng import mixed, smallest


def sample_negatives(
    seen: np.ndarray,
    available: np.ndarray,
    titles: Sequence[str],
    item_keys: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Up to ``count`` distinct items, drawn uniformly from the available items that the user has
    not seen.

    The sample is the start of a seeded order of the items' id hashes, so adding an item that is not
    sampled changes nothing. Titles are distinct and differ from those of the seen items. If too few
    items remain, all of them are returned.

    Args:
        seen: item row numbers of the user's events.
        available: ``(N,)`` bool, which items are available.
        titles: titles of the N items of the catalogue.
        item_keys: ``(N,)`` uint64, keys of their external ids.
        count: the number of negatives.
        rng: the stream of this draw.
    """
    items = np.flatnonzero(available)
    hashes = mixed(item_keys[items] ^ rng.integers(2**64, dtype=np.uint64))
    excluded = {titles[item] for item in seen}
    few = 2 * count + len(excluded) + 8  # enough unless many titles are equal
    negatives = _distinct(items[smallest(hashes, few)], titles, excluded)
    if len(negatives) < count:
        negatives = _distinct(items[smallest(hashes, len(items))], titles, excluded)
    return negatives[:count]


def _distinct(items: np.ndarray, titles: Sequence[str], excluded: set[str]) -> list[int]:
    """The first of ``items`` with each title, in order, without ``excluded`` titles."""
    first: dict[str, int] = {}
    for item in items.tolist():
        first.setdefault(titles[item], item)
    return [item for title, item in first.items() if title not in excluded]
