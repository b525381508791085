"""Whether what is known of item codes before training ranks them as the trained models do."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import spearmanr

from p5rec.methods.base import Method

FEWEST = 4  # sets of codes of which a ranking is worth a word


def told_by_ids(
    methods: Mapping[str, Method], told: Mapping[str, float | None]
) -> dict[str, float]:
    """The bits that each method's ids tell of the next item.

    Args:
        methods: the recipe's methods by name.
        told: bits by name of the ids (``next_item_bits`` of ``quality.json``).

    Returns:
        By method; nothing unless ``FEWEST`` methods or more differ in their ids alone.
    """
    ids = {name: i for name, method in methods.items() if (i := method.semantic_ids) is not None}
    alike = {str({**methods[name].dump(), "ids": None}) for name in ids}
    found = {name: told.get(i) for name, i in ids.items()}
    known = {name: bits for name, bits in found.items() if bits is not None}
    return known if len(alike) == 1 and len(known) >= FEWEST else {}


def sentence(told: Mapping[str, float], measured: Mapping[str, float], metric: str) -> str:
    """Spearman's rank correlation of two figures of the same methods, in words."""
    names = [name for name in told if name in measured]
    found = spearmanr([told[name] for name in names], [measured[name] for name in names])
    return (
        f"Over {len(names)} sets of codes, the bits that the last item's codes tell of the next "
        f"item, known before training, rank the methods as their {metric} does: rank correlation "
        f"{found.statistic:.2f} (p = {found.pvalue:.1g})."
    )
