"""Codebook metrics: the quality of codes, measured without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus, Interactions, Split

from .cooccurrence import pair_counts
from .plain import permuted
from .predict import predictability
from .prefixes import prefix_groups, rank_in_run
from .tokens import level_names

FILE = "codebook_metrics.json"
WINDOW = 5
NEIGHBOURS = 10


def report(codes: ItemCodes, corpus: Corpus, seed: int) -> dict[str, Any]:
    """The contents of ``codebook_metrics.json``: :func:`codebook_metrics` and :func:`samples`."""
    events, split = corpus.interactions, corpus.split
    examples = samples(codes, corpus.catalog.titles, events, split)
    return {**codebook_metrics(codes, events, split, seed), "samples": examples}


def codebook_metrics(
    codes: ItemCodes, interactions: Interactions, split: Split, seed: int
) -> dict[str, Any]:
    """Metrics of a set of codes.

    Args:
        codes: codes of N items.
        interactions: all events; the training split alone is used.
        split: the split.
        seed: seed of the permutation control.

    Returns:
        ``items``; ``bits``, the capacity of the codes, and ``bits_needed`` to distinguish the
        items; ``levels``, one entry per level (see :func:`usage`); ``neighbour_purity`` (see
        :func:`purity`); ``next_item_bits`` saved over popularity (see ``p5rec.ids.predict``);
        ``popularity_bits``, the bits that popularity alone needs. ``..._permuted`` are the same
        metrics for the permutation control.
    """
    counts = pair_counts(interactions, split, WINDOW)
    control, tie = permuted(codes, seed), tie_order(interactions.item_keys, seed)
    own, permuted_bits = (
        predictability(each, interactions, split, seed) for each in (codes, control)
    )
    return {
        "items": len(codes),
        "bits": float(np.log2(codes.sizes).sum()),
        "bits_needed": float(np.log2(len(codes))),
        "levels": usage(codes),
        "neighbour_purity": purity(codes, counts, tie),
        "neighbour_purity_permuted": purity(control, counts, tie),
        "next_item_bits": own and own[0],
        "next_item_bits_permuted": permuted_bits and permuted_bits[0],
        "popularity_bits": own and own[1],
    }


def usage(codes: ItemCodes) -> list[dict[str, Any]]:
    """How evenly each level uses its codes, and how well the prefixes distinguish items.

    Returns:
        Per level: ``level`` (its name), ``size``, ``used`` codes, ``utilisation`` (used / size),
        ``entropy`` of the codes in bits and ``entropy_share`` of the maximum, ``prefixes`` (number
        of distinct prefixes) and ``prefix_share`` (prefixes / items).
    """
    out, names = [], level_names(codes.levels)
    for level, size in enumerate(codes.sizes):
        counts = np.bincount(codes.codes[:, level], minlength=size)
        share = counts[counts > 0] / len(codes)
        entropy = float(-(share * np.log2(share)).sum())
        prefixes = int(prefix_groups(codes.codes, level + 1).max()) + 1
        out.append(
            {
                "level": names[level],
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
    """The share of co-occurrence neighbours with the same first code.

    Args:
        codes: codes of N items.
        counts: ``(N, N)`` co-occurrence counts; the neighbours of an item are the ``NEIGHBOURS``
            items with the largest counts.
        tie: ``(N,)`` a permutation; the smaller value comes first among equal counts.

    Returns:
        The mean over all pairs of item and neighbour; None without pairs.
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
    """Per used first-level code: its number of items, and the k most frequent in training."""
    seen = np.bincount(interactions.items[split.mask("train")], minlength=len(codes))
    first = codes.codes[:, 0]
    order = np.lexsort((-seen, first))
    starts = np.flatnonzero(np.r_[True, np.diff(first[order]) > 0])
    return [
        {"code": int(first[rows[0]]), "items": len(rows), "names": [names[r] for r in rows[:k]]}
        for rows in np.split(order, starts[1:])
    ]
