"""How much the last item's codes say about the next item, before any model has seen them."""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import keyed, uniform
from p5rec.core.types import Interactions, ItemCodes, Split

from .prefixes import prefix_groups

STRENGTHS = 10.0 ** np.arange(1, 7)  # events' worth of belief in what the level above says


def transitions(interactions: Interactions, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """``(P, 2)`` items that follow each other in training histories, and ``(P,)`` whose."""
    train = split.mask("train")
    users, items = interactions.users[train], interactions.items[train]
    same = users[1:] == users[:-1]
    return np.stack([items[:-1][same], items[1:][same]], axis=1), users[1:][same]


def predictability(
    codes: ItemCodes, interactions: Interactions, split: Split, seed: int
) -> tuple[float, float] | None:
    """Bits by which the last item's codes make the next item more likely than its popularity does.

    Level by level the next item's code follows from the codes of the last one, by counts that lean
    on what the level above says (a hierarchical Dirichlet, MacKay & Peto 1995): p_l(q | p) is
    n(p, q) plus a strength times p_{l-1}(q') pop(q | q'), over n(p) plus the strength, where q' is
    q without its last code. The histories of half of the users are counted, a quarter chooses each
    level's strength, and the last quarter is predicted. Every set of unique codes ends at the same
    counts of items after items; what differs is what the levels say where those are thin.

    Returns:
        The bits saved an item, and the bits that popularity alone needs; None where training
        histories are too few for all three parts.
    """
    pairs, users = transitions(interactions, split)
    draw = uniform(keyed(interactions.user_keys, seed, "ids", "predict"))[users]
    part = np.digitize(draw, (0.5, 0.75))
    if len(np.unique(part)) < 3:
        return None
    seen, asked, choosing = pairs[part == 0], pairs[part > 0], part[part > 0] == 1
    popularity: np.ndarray = np.bincount(seen[:, 1], minlength=len(codes)) + 1.0
    popularity /= popularity.sum()
    chance: np.ndarray = np.ones(len(asked))
    above: np.ndarray = np.zeros(len(codes), dtype=np.int64)
    mass_above: np.ndarray = np.ones(1)
    for level in range(1, codes.levels + 1):
        groups = prefix_groups(codes.codes, level)
        mass = np.bincount(groups, weights=popularity)
        last, following = groups[asked].T
        prior = chance * mass[following] / mass_above[above[asked[:, 1]]]
        together = _counts(groups[seen], groups[asked], len(mass))
        alone = np.bincount(groups[seen[:, 0]], minlength=len(mass))[last]
        tried: list[np.ndarray] = [(together + m * prior) / (alone + m) for m in STRENGTHS]
        chance = max(tried, key=lambda found: float(np.log(found[choosing]).sum()))
        above, mass_above = groups, mass
    null = -float(np.log2(popularity[asked[~choosing, 1]]).mean())
    return null + float(np.log2(chance[~choosing]).mean()), null


def _counts(seen: np.ndarray, asked: np.ndarray, n: int) -> np.ndarray:
    """How often each pair of ``asked (A, 2)`` occurs in ``seen (S, 2)``, numbers below ``n``."""
    kinds, counts = np.unique(seen[:, 0] * n + seen[:, 1], return_counts=True)
    keys = asked[:, 0] * n + asked[:, 1]
    at = np.minimum(np.searchsorted(kinds, keys), len(kinds) - 1)
    return np.where(kinds[at] == keys, counts[at], 0)
