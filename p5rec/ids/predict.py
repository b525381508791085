"""The information that the last item's codes carry about the next item, without a model."""

from __future__ import annotations

import numpy as np

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import keyed, uniform
from p5rec.core.types import Interactions, Split

from .prefixes import prefix_groups

STRENGTHS = 10.0 ** np.arange(1, 7)  # prior strengths of the level above, in events


def transitions(interactions: Interactions, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """``(P, 2)`` pairs of successive items in training histories, and their users ``(P,)``."""
    train = split.mask("train")
    users, items = interactions.users[train], interactions.items[train]
    same = users[1:] == users[:-1]
    return np.stack([items[:-1][same], items[1:][same]], axis=1), users[1:][same]


def predictability(
    codes: ItemCodes, interactions: Interactions, split: Split, seed: int
) -> tuple[float, float] | None:
    """Bits per item that the last item's codes save over popularity in predicting the next item.

    Each level predicts the next item's code from the codes of the last item, by counts smoothed
    towards the level above (a hierarchical Dirichlet, MacKay & Peto 1995): p_l(q | p) is
    n(p, q) plus a strength times p_{l-1}(q') pop(q | q'), over n(p) plus the strength, where q' is
    q without its last code. Half of the users provide the counts, a quarter selects the strength
    of each level, and the last quarter is predicted. All sets of unique codes share the
    item-to-item counts of the last level; they differ in the smoothing that their upper levels
    give.

    Returns:
        The bits saved per item, and the bits per item of popularity alone; None if one of the three
        groups of users has no training pairs.
    """
    pairs, users = transitions(interactions, split)
    points = uniform(keyed(interactions.user_keys, seed, "ids", "predict"))[users]
    group = np.digitize(points, (0.5, 0.75))
    if len(np.unique(group)) < 3:
        return None
    counted, predicted = pairs[group == 0], pairs[group > 0]
    selecting = group[group > 0] == 1
    popularity: np.ndarray = np.bincount(counted[:, 1], minlength=len(codes)) + 1.0
    popularity /= popularity.sum()
    probability: np.ndarray = np.ones(len(predicted))
    above: np.ndarray = np.zeros(len(codes), dtype=np.int64)
    mass_above: np.ndarray = np.ones(1)
    for level in range(1, codes.levels + 1):
        groups = prefix_groups(codes.codes, level)
        mass = np.bincount(groups, weights=popularity)
        last, following = groups[predicted].T
        prior = probability * mass[following] / mass_above[above[predicted[:, 1]]]
        together = _counts(groups[counted], groups[predicted], len(mass))
        alone = np.bincount(groups[counted[:, 0]], minlength=len(mass))[last]
        tried: list[np.ndarray] = [(together + m * prior) / (alone + m) for m in STRENGTHS]
        probability = max(tried, key=lambda each: float(np.log(each[selecting]).sum()))
        above, mass_above = groups, mass
    null = -float(np.log2(popularity[predicted[~selecting, 1]]).mean())
    return null + float(np.log2(probability[~selecting]).mean()), null


def _counts(counted: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """Counts of each pair of ``predicted (P, 2)`` in ``counted (C, 2)``; ids are below ``n``."""
    kinds, counts = np.unique(counted[:, 0] * n + counted[:, 1], return_counts=True)
    keys = predicted[:, 0] * n + predicted[:, 1]
    at = np.minimum(np.searchsorted(kinds, keys), len(kinds) - 1)
    return np.where(kinds[at] == keys, counts[at], 0)
