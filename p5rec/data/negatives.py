"""Sampled negatives: for tasks with a few candidates in the prompt, and for clicks without labels.

Headline metrics never use them: these rank the full catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.rng import mixed, smallest

from .available import Available


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


def unmet_items(
    met_users: np.ndarray,
    met_items: np.ndarray,
    users: np.ndarray,
    times: np.ndarray,
    available: Available,
    random: np.ndarray,
) -> np.ndarray:
    """One item for each of B queries, drawn uniformly from the available items that its user has
    not met.

    Args:
        met_users, met_items: ``(n,)`` the pairs of a user and an item that count as met.
        users, times: ``(B,)`` the user and the time of each query.
        available: availability of the N items.
        random: ``(B,)`` uint64, uniform.

    Returns:
        ``(B,)`` int64 items; -1 where the user has met every available item.
    """
    n_items = len(available.since)
    place = np.empty(n_items, dtype=np.int64)  # of each item, the earliest available first
    place[available.order] = np.arange(n_items)
    met = np.unique(met_users.astype(np.int64) * n_items + place[met_items])
    users = users.astype(np.int64)
    first = users * n_items
    begin, counts = np.searchsorted(met, first), available.counts(times)
    left = counts - (np.searchsorted(met, first + counts) - begin)
    draw = (random % np.maximum(left, 1).astype(np.uint64)).astype(np.int64)
    # a met item has ``gaps`` unmet ones before it; those with at most ``draw`` precede the drawn
    owners = met // n_items
    gaps = met % n_items - (np.arange(len(met)) - np.searchsorted(owners, owners))
    steps = np.searchsorted(owners * (n_items + 1) + gaps, users * (n_items + 1) + draw, "right")
    drawn = np.minimum(draw + steps - begin, n_items - 1)
    return np.where(left > 0, available.order[drawn], -1)
