"""Items a user has not met, for tasks that show a few candidates. Never for a headline number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def sample_negatives(
    met: np.ndarray, titles: Sequence[str], count: int, rng: np.random.Generator
) -> list[int]:
    """Up to ``count`` different items, drawn evenly from those that a user has not met.

    Their titles differ from each other and from those of the items met; where fewer such items are
    left, all of them are given.

    Args:
        met: item rows of the user's events.
        titles: of the N items of the catalogue.
        rng: of this draw.
    """
    taken = {titles[item] for item in met}
    draw = rng.integers(len(titles), size=4 * count + 16)
    found = _distinct(draw[~np.isin(draw, met)].tolist(), titles, taken)
    if len(found) < count:
        rest = np.setdiff1d(np.arange(len(titles)), met)
        found = _distinct(rng.permutation(rest).tolist(), titles, taken)
    return found[:count]


def _distinct(items: Iterable[int], titles: Sequence[str], taken: set[str]) -> list[int]:
    """The first of ``items`` with each title, in order, without those whose title is ``taken``."""
    first: dict[str, int] = {}
    for item in items:
        first.setdefault(titles[item], item)
    return [item for title, item in first.items() if title not in taken]
