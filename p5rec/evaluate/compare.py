"""Two methods on the same cases: by how much they differ, and what may be claimed of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.metrics.intervals import LEVEL, RESAMPLES, paired
from p5rec.metrics.together import holm, resamples_for

from .blocks import LOWER_IS_BETTER, OF_BASKETS
from .measured import Measured
from .schema import NO_DIFFERENCE, Comparison, Verdict

# what pairs are compared in, where they have the first; else it is the first that they have
COMPARED = (OF_BASKETS, ("HR@10", "NDCG@10"), ("BLEU-4", "ROUGE-L"))


def compare(
    a: Measured, b: Measured, metric: str, seed: int, resamples: int = RESAMPLES
) -> Comparison:
    """The difference ``a - b`` with its interval, from a bootstrap that both share.

    Args:
        a, b: measured on the same task, part and users, in the same order.
        metric: one that both have, e.g. ``HR@10``.
        seed: of the bootstrap.
        resamples: how many; :func:`adjusted` needs more for many comparisons.

    Returns:
        The comparison by itself; :func:`adjusted` puts it among others.

    Raises:
        ValueError: the two were not measured on the same cases, or lack the metric.
    """
    ours, theirs = a.method, b.method
    if (ours.task, ours.split) != (theirs.task, theirs.split) or not np.array_equal(
        a.users, b.users
    ):
        raise ValueError(f"{ours.name} and {theirs.name} were not measured on the same cases")
    if metric not in ours.metrics or metric not in theirs.metrics:
        raise ValueError(f"{ours.name} and {theirs.name} do not both have {metric}")
    at, there = list(ours.metrics).index(metric), list(theirs.metrics).index(metric)
    (difference,) = paired(
        lambda weights: a.statistic(weights)[:, [at]],
        lambda weights: b.statistic(weights)[:, [there]],
        a.users,
        seed=seed,
        resamples=resamples,
    )
    found = Comparison(
        a=ours.name,
        b=theirs.name,
        task=ours.task,
        split=ours.split,
        metric=metric,
        value=difference.value,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        by_seed=_by_seed(a, b, metric),
        sentence="",
    )
    return adjusted([found])[0]


def comparisons(
    measured: Sequence[Measured], pairs: Sequence[tuple[str, str]], seed: int
) -> list[Comparison]:
    """Every pair on every task and metric that both methods have."""
    found: list[Comparison] = []
    resamples = resamples_for(len(pairs))
    for first, second in pairs:
        for a in measured:
            for b in measured:
                if (a.method.name, b.method.name) != (first, second):
                    continue
                ours, theirs = a.method, b.method
                same = (ours.task, ours.split) == (theirs.task, theirs.split)
                if not same or not np.array_equal(a.users, b.users):
                    continue
                names = tuple(ours.metrics)
                wanted = next((m for m in COMPARED if m[0] in names), names[:1])
                shared = [metric for metric in wanted if metric in theirs.metrics]
                found += [compare(a, b, metric, seed, resamples) for metric in shared]
    return adjusted(found)


def adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with what may be claimed of each among the others.

    Those on one task, part and metric are taken together (:func:`p5rec.metrics.together.holm`):
    they are the chances that one table gives to claim something of its methods. Validation is
    where methods are chosen and test where they are claimed, and a claim names its metric, so
    these are not added up.
    """
    families: dict[tuple[str, str, str], list[int]] = {}
    for n, one in enumerate(found):
        families.setdefault((one.task, one.split, one.metric), []).append(n)
    made = list(found)
    for members in families.values():
        p = np.array([np.nan if found[n].p is None else found[n].p for n in members])
        for n, held in zip(members, holm(p).tolist(), strict=True):
            one = found[n]
            changed = {
                "together": len(members),
                "p_adjusted": None if np.isnan(held) else held,
                "alone": _verdict(one, one.p),
                "verdict": _verdict(one, held),
            }
            made[n] = one.model_copy(update=changed)
            made[n] = made[n].model_copy(update={"sentence": _sentence(made[n])})
    return made


def _by_seed(a: Measured, b: Measured, metric: str) -> list[float]:
    """The difference under each seed, where either was trained with several."""
    if not (a.method.by_seed or b.method.by_seed):
        return []
    ours, theirs = (
        np.array(m.method.by_seed.get(metric) or [m.method.metrics[metric].value], dtype=float)
        for m in (a, b)
    )
    gaps: list[float] = (ours - theirs).tolist()
    return gaps


def _verdict(one: Comparison, p: float | None) -> Verdict | None:
    if one.value is None or one.low is None or one.high is None or p is None:
        return None
    if p > 1 - LEVEL or one.low <= 0 <= one.high:
        return NO_DIFFERENCE
    return "better" if (one.low > 0) != (one.metric in LOWER_IS_BETTER) else "worse"


def _sentence(one: Comparison) -> str:
    """Where a difference is claimed, the winner comes first and the figures are its own."""
    if one.value is None or one.low is None or one.high is None or one.p is None:
        return f"{one.a} vs {one.b}: {one.metric} could not be compared"
    turned = one.verdict == "worse"
    low, high = (-one.high, -one.low) if turned else (one.low, one.high)
    sign = -1 if turned else 1
    seeds = " / ".join(f"{sign * gap:+.4f}" for gap in one.by_seed if gap is not None)
    by_seed = f"; by seed {seeds}" if seeds else ""
    bounds = f"[{low:+.4f}, {high:+.4f}]"
    p = f"p {_chance(one.p)}"
    if one.together and one.together > 1 and one.alone != NO_DIFFERENCE:
        p += f", corrected {_chance(one.p_adjusted)}"
    if one.verdict != NO_DIFFERENCE:
        first, second = (one.b, one.a) if turned else (one.a, one.b)
        gap = f"{sign * one.value:+.4f} {bounds}"
        return f"{first} beats {second} by {gap} in {one.metric} ({p}{by_seed})"
    if one.alone != NO_DIFFERENCE:
        gap = f"{one.value:+.4f} {bounds} by itself"
        return f"{one.a} vs {one.b}: {NO_DIFFERENCE} among {one.together} comparisons in " + (
            f"{one.metric}, {gap} ({p}{by_seed})"
        )
    return f"{one.a} vs {one.b}: {NO_DIFFERENCE} {bounds} in {one.metric} ({p}{by_seed})"


def _chance(p: float | None) -> str:
    """A p-value of about three decimals, never 0."""
    assert p is not None, "a comparison that was made has a p-value"
    return f"{p:.3f}".removeprefix("0") if p >= 0.001 else f"{p:.0e}"
