"""Whether metrics of item codes, known before training, rank methods as their results do."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import spearmanr

from p5rec.methods.base import Method

MIN_METHODS = 4  # fewer give no meaningful rank correlation


def next_item_information(
    methods: Mapping[str, Method], bits: Mapping[str, float | None]
) -> dict[str, float]:
    """The bits of information about the next item in each method's semantic ids.

    Args:
        methods: the recipe's methods by name.
        bits: by name of the semantic ids (``next_item_bits`` of ``codebook_metrics.json``).

    Returns:
        Bits by method; empty unless at least ``MIN_METHODS`` methods differ in their ids alone.
    """
    ids = {name: i for name, method in methods.items() if (i := method.semantic_ids) is not None}
    alike = {str({**methods[name].dump(), "ids": None}) for name in ids}
    known = {name: value for name, i in ids.items() if (value := bits.get(i)) is not None}
    return known if len(alike) == 1 and len(known) >= MIN_METHODS else {}


def sentence(bits: Mapping[str, float], measured: Mapping[str, float], metric: str) -> str:
    """Spearman's rank correlation of the bits with a metric of the same methods, in words."""
    names = [name for name in bits if name in measured]
    correlation = spearmanr([bits[name] for name in names], [measured[name] for name in names])
    return (
        f"Over {len(names)} sets of codes, the information that the last item's codes hold about "
        f"the next item (bits, measured before training) has a rank correlation of "
        f"{correlation.statistic:.2f} with {metric} (p = {correlation.pvalue:.1g})."
    )
