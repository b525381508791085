"""How good codes are before any model has seen them."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
import scipy.sparse as sp

from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus, Interactions, ItemCodes, Split

from .cooccurrence import pair_counts
from .plain import permuted
from .predict import predictability
from .prefixes import prefix_groups, rank_in_run

FILE = "quality.json"
WINDOW = 5
NEIGHBOURS = 10


def report(codes: ItemCodes, corpus: Corpus, seed: int) -> dict[str, Any]:
    """The contents of ``quality.json``: :func:`quality` and :func:`samples`."""
    events, split = corpus.interactions, corpus.split
    shown = samples(codes, corpus.catalog.titles, events, split)
    return {**quality(codes, events, split, seed), "samples": shown}


def quality(
    codes: ItemCodes, interactions: Interactions, split: Split, seed: int
) -> dict[str, Any]:
    """Figures of a set of codes.

    Args:
        codes: of N items.
        interactions: events; only the training part is looked at.
        split: says which that is.
        seed: of the permuted control.

    Returns:
        ``items``; ``bits`` an item's codes have room for, and ``bits_needed`` to tell the items
        apart; ``levels``, one entry a level (see :func:`usage`); ``neighbour_purity`` (see
        :func:`purity`) and ``next_item_bits`` saved over popularity (see
        ``p5rec.ids.predict``), each with its ``_permuted`` twin, the same with the codes dealt out
        anew; ``popularity_bits``, what popularity alone needs.
    """
    counts = pair_counts(interactions, split, WINDOW)
    control, tie = permuted(codes, seed), tie_order(interactions.item_keys, seed)
    told, dealt = (predictability(each, interactions, split, seed) for each in (codes, control))
    return {
        "items": len(codes),
        "bits": float(np.log2(codes.sizes).sum()),
        "bits_needed": float(np.log2(len(codes))),
        "levels": usage(codes),
        "neighbour_purity": purity(codes, counts, tie),
        "neighbour_purity_permuted": purity(control, counts, tie),
        "next_item_bits": told and told[0],
        "next_item_bits_permuted": dealt and dealt[0],
        "popularity_bits": told and told[1],
    }


def usage(codes: ItemCodes) -> list[dict[str, Any]]:
    """Level by level: how evenly the codes are used and how far the prefixes tell items apart.

    Returns:
        Per level: ``level`` (its letter), ``size``, ``used`` codes, ``utilisation`` (used / size),
        ``entropy`` of the codes in bits and ``entropy_share`` of the largest possible,
        ``prefixes`` (different ones up to here) and ``prefix_share`` (of the items).
    """
    out = []
    for level, size in enumerate(codes.sizes):
        counts = np.bincount(codes.codes[:, level], minlength=size)
        share = counts[counts > 0] / len(codes)
        entropy = float(-(share * np.log2(share)).sum())
        prefixes = int(prefix_groups(codes.codes, level + 1).max()) + 1
        out.append(
            {
                "level": ascii_lowercase[level],
                "size": size,
                "used": int((counts > 0).sum()),
                "utilisation": float((counts > 0).mean()),
                "entropy": entropy,
                "entropy_share": entropy / float(np.log2(size)) if size > 1 else 1.0,
                "prefixes": prefixes,
                "prefix_share": prefixes / len(codes),
            }
        )
    return out


def purity(codes: ItemCodes, counts: sp.csr_array, tie: np.ndarray) -> float | None:
    """Share of items' closest neighbours that have the same first code.

    Args:
        codes: of N items.
        counts: ``(N, N)`` how often two items go together; an item's neighbours are the
            ``NEIGHBOURS`` it goes with most.
        tie: ``(N,)`` a permutation; of those that it goes with equally, the smaller value is first.

    Returns:
        The mean over all pairs of item and neighbour; None where there is no pair.
    """
    pairs = counts.tocoo()
    order = np.lexsort((tie[pairs.col], -pairs.data, pairs.row))
    near = order[rank_in_run(pairs.row[order]) < NEIGHBOURS]
    first = codes.codes[:, 0]
    same = first[pairs.row[near]] == first[pairs.col[near]]
    return float(same.mean()) if len(same) else None


def samples(
    codes: ItemCodes, names: Sequence[str], interactions: Interactions, split: Split, k: int = 5
) -> list[dict[str, Any]]:
    """For each first-level code in use: how many items have it, and the k seen most in training."""
    seen = np.bincount(interactions.items[split.mask("train")], minlength=len(codes))
    first = codes.codes[:, 0]
    order = np.lexsort((-seen, first))
    starts = np.flatnonzero(np.r_[True, np.diff(first[order]) > 0])
    return [
        {"code": int(first[rows[0]]), "items": len(rows), "names": [names[r] for r in rows[:k]]}
        for rows in np.split(order, starts[1:])
    ]
