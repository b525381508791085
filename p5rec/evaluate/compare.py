"""Paired comparisons of methods on the same test instances: differences, intervals, verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.metrics.intervals import LEVEL, RESAMPLES, paired
from p5rec.metrics.multiple_testing import holm, resamples_for

from .blocks import LOWER_IS_BETTER, OF_BASKETS
from .config import PrimaryConfig
from .measured import Measured
from .schema import NO_DIFFERENCE, Comparison, Verdict

# the metrics of a comparison: the first group that a method reports; without any, the first
# metric that it reports
COMPARED = (OF_BASKETS, ("HR@10", "NDCG@10"), ("AUC", "gAUC", "log loss"), ("BLEU-4", "ROUGE-L"))
AREAS = ("AUC", "gAUC")
CHANCE = 0.5  # the area of random scores


def compare(
    a: Measured, b: Measured, metric: str, seed: int, resamples: int = RESAMPLES
) -> Comparison:
    """The difference ``a - b`` with its interval, from one paired bootstrap.

    Args:
        a, b: measured on the same task, split and users, in the same order.
        metric: a metric of both, e.g. ``HR@10``.
        seed: seed of the bootstrap.
        resamples: their number; :func:`adjusted` needs more for many comparisons.

    Returns:
        The uncorrected comparison; :func:`adjusted` corrects it for several comparisons.

    Raises:
        ValueError: the two were measured on different test instances, or lack the metric.
    """
    ours, theirs = a.method, b.method
    if (ours.task, ours.split) != (theirs.task, theirs.split) or not np.array_equal(
        a.users, b.users
    ):
        raise ValueError(f"{ours.name} and {theirs.name} were measured on different test instances")
    if metric not in ours.metrics or metric not in theirs.metrics:
        raise ValueError(f"{ours.name} and {theirs.name} do not both have {metric}")
    at, there = list(ours.metrics).index(metric), list(theirs.metrics).index(metric)
    (difference,) = paired(
        a.statistic.then(lambda values: values[:, [at]]),
        b.statistic.then(lambda values: values[:, [there]]),
        a.users,
        seed=seed,
        resamples=resamples,
    )
    comparison = Comparison(
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
        rela_impr=_rela_impr(a, b, metric),
        sentence="",
    )
    return adjusted([comparison])[0]


def comparisons(
    measured: Sequence[Measured],
    pairs: Sequence[tuple[str, str]],
    seed: int,
    primary: PrimaryConfig | None = None,
) -> list[Comparison]:
    """A comparison of every pair on every task and metric that both methods have.

    Args:
        measured: every method on every task and split.
        pairs: names of methods.
        seed: seed of the bootstrap.
        primary: the primary comparison, which is left out.
    """
    compared: list[Comparison] = []
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
                wanted = next((m for m in COMPARED if {*m} <= {*names}), names[:1])
                shared = [metric for metric in wanted if metric in theirs.metrics]
                compared += [compare(a, b, metric, seed, resamples) for metric in shared]
    return adjusted([one for one in compared if not _is_primary(one, primary)])


def _is_primary(one: Comparison, primary: PrimaryConfig | None) -> bool:
    if primary is None or primary.slice is not None:
        return False
    same = (one.a, one.b, one.task, one.split, one.metric)
    return same == (*primary.compare, primary.task, "test", primary.metric)


def adjusted(uncorrected: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with p-values and verdicts corrected for their number.

    The comparisons on one task, split and metric form a family, corrected by
    :func:`p5rec.metrics.multiple_testing.holm`. Splits and metrics are separate families: methods
    are selected on validation and claims are made on test, and every claim names its metric.
    """
    families: dict[tuple[str, str, str], list[int]] = {}
    for n, one in enumerate(uncorrected):
        families.setdefault((one.task, one.split, one.metric), []).append(n)
    corrected = list(uncorrected)
    for members in families.values():
        p = np.array([np.nan if (own := uncorrected[n].p) is None else own for n in members])
        for n, p_adjusted in zip(members, holm(p).tolist(), strict=True):
            one = uncorrected[n]
            changed = {
                "family_size": len(members),
                "p_adjusted": None if np.isnan(p_adjusted) else p_adjusted,
                "uncorrected_verdict": _verdict(one, one.p),
                "verdict": _verdict(one, p_adjusted),
            }
            one = one.model_copy(update=changed)
            corrected[n] = one.model_copy(update={"sentence": _sentence(one)})
    return corrected


def _by_seed(a: Measured, b: Measured, metric: str) -> list[float]:
    """The difference under each seed; empty where neither was trained with several."""
    if not (a.method.by_seed or b.method.by_seed):
        return []
    ours, theirs = (
        np.array(m.method.by_seed.get(metric) or [m.method.metrics[metric].value], dtype=float)
        for m in (a, b)
    )
    gaps: list[float] = (ours - theirs).tolist()
    return gaps


def _rela_impr(a: Measured, b: Measured, metric: str) -> float | None:
    ours, theirs = (m.method.metrics[metric].value for m in (a, b))
    if metric not in AREAS or ours is None or theirs is None or theirs <= CHANCE:
        return None
    return (ours - CHANCE) / (theirs - CHANCE) - 1


def _verdict(one: Comparison, p: float | None) -> Verdict | None:
    if one.value is None or one.low is None or one.high is None or p is None:
        return None
    if p > 1 - LEVEL or one.low <= 0 <= one.high:
        return NO_DIFFERENCE
    return "better" if (one.low > 0) != (one.metric in LOWER_IS_BETTER) else "worse"


def _sentence(one: Comparison) -> str:
    """The comparison in words. Of a claimed difference the winner comes first."""
    if one.value is None or one.low is None or one.high is None or one.p is None:
        return f"{one.a} vs {one.b}: {one.metric} could not be compared"
    reversed_order = one.verdict == "worse"
    low, high = (-one.high, -one.low) if reversed_order else (one.low, one.high)
    sign = -1 if reversed_order else 1
    seeds = " / ".join(f"{sign * gap:+.4f}" for gap in one.by_seed if gap is not None)
    further = f"; by seed {seeds}" if seeds else ""
    if one.rela_impr is not None and one.rela_impr > -1:
        improvement = 1 / (1 + one.rela_impr) - 1 if reversed_order else one.rela_impr
        further += f"; RelaImpr {improvement:+.2%}"
    bounds = f"[{low:+.4f}, {high:+.4f}]"
    p = f"p {p_value(one.p)}"
    if one.family_size and one.family_size > 1 and one.uncorrected_verdict != NO_DIFFERENCE:
        p += f", corrected {p_value(one.p_adjusted)}"
    if one.verdict != NO_DIFFERENCE:
        first, second = (one.b, one.a) if reversed_order else (one.a, one.b)
        gap = f"{sign * one.value:+.4f} {bounds}"
        return f"{first} beats {second} by {gap} in {one.metric} ({p}{further})"
    if one.uncorrected_verdict != NO_DIFFERENCE:
        gap = f"{one.value:+.4f} {bounds} uncorrected"
        return f"{one.a} vs {one.b}: {NO_DIFFERENCE} among {one.family_size} comparisons in " + (
            f"{one.metric}, {gap} ({p}{further})"
        )
    return f"{one.a} vs {one.b}: {NO_DIFFERENCE} {bounds} in {one.metric} ({p}{further})"


def p_value(p: float | None) -> str:
    """A p-value with about three decimals, never printed as 0."""
    assert p is not None, "a comparison that was made has a p-value"
    return f"{p:.3f}".removeprefix("0") if p >= 0.001 else f"{p:.0e}"
