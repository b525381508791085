"""The primary comparison: its verdict, and the smallest difference that validation can detect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.evaluate.compare import compare, comparisons
from p5rec.evaluate.config import PrimaryConfig
from p5rec.evaluate.measure import clicks
from p5rec.evaluate.measured import Measured, average
from p5rec.evaluate.primary import DETECTABLE, primary_result
from p5rec.metrics.intervals import paired, paired_error

USERS = np.repeat(np.arange(60), 20)
RNG = np.random.default_rng(0)
LABELS = RNG.random(len(USERS)) < 0.5
CLAIM: dict[str, Any] = {"compare": ("a", "b"), "metric": "AUC", "task": "click"}


ITEMS = np.arange(len(USERS)) % 30


def predicted(name: str, signal: float, split: Any, seed: int) -> Measured:
    """Clicks predicted with ``signal`` above noise; rare items have no signal."""
    rng = np.random.default_rng([seed, split == "valid"])
    rare = np.arange(len(USERS)) % 4 == 0
    scores = rng.normal(size=len(USERS)) + signal * LABELS * ~rare
    return clicks(
        name, 1 / (1 + np.exp(-scores)), LABELS, USERS, split=split, seed=0, slices={"rare": rare},
        instance_items=ITEMS,
    )  # fmt: skip


def entries(signal: float, other: float) -> list[Measured]:
    return [
        predicted(name, strength, split, seed)
        for split in ("test", "valid")
        for name, strength, seed in (("a", signal, 1), ("b", other, 2))
    ]


@pytest.mark.parametrize(
    ("signal", "other", "expected", "verdict"),
    [
        (1.5, 0.2, None, "yes"),
        (0.2, 1.5, None, "no"),
        (0.5, 0.5, None, "undecidable here"),
        (0.5, 0.5, 0.5, "no"),  # a difference of this size would have been seen
        (0.5, 0.5, 0.001, "undecidable here"),
    ],
)
def test_the_verdict(signal: float, other: float, expected: float | None, verdict: str) -> None:
    found = primary_result(PrimaryConfig(**CLAIM, expected=expected), entries(signal, other), 0)
    assert found.verdict == verdict
    assert f"Does a beat b in AUC (click, test)? {verdict.capitalize()}: " in found.sentence
    assert found.detectable is not None
    assert f"{found.detectable:.4f}" in found.sentence
    if expected == 0.001:
        needed = (found.detectable / expected) ** 2 * 60
        assert f"About {int(np.ceil(needed)):,} test users would decide" in found.sentence


def test_the_detectable_difference_comes_from_validation() -> None:
    measured = entries(1.0, 0.8)
    found = primary_result(PrimaryConfig(**CLAIM), measured, 0)
    a, b = (m.statistic.then(lambda v: v[:, [0]]) for m in measured[2:])
    error = paired_error(a, b, USERS, seed=0)
    assert found.detectable == pytest.approx(DETECTABLE * error)
    width = found.high - found.low
    assert found.detectable == pytest.approx(width / 2 * DETECTABLE / 1.96, rel=0.2)
    assert (found.users, found.valid_users) == (60, 60)
    same = compare(measured[0], measured[1], "AUC", 0)
    assert (found.value, found.low, found.high, found.p) == (
        same.value,
        same.low,
        same.high,
        same.p,
    )


def test_lower_losses_win() -> None:
    measured, config = entries(1.5, 0.2), PrimaryConfig(**CLAIM | {"metric": "log loss"})
    assert primary_result(config, measured, 0).verdict == "yes"
    backwards = config.model_copy(update={"compare": ("b", "a")})
    assert primary_result(backwards, measured, 0).verdict == "no"


def test_a_mean_of_methods_is_compared() -> None:
    measured = [
        predicted(name, signal, split, seed)
        for split in ("test", "valid")
        for name, signal, seed in (("a", 1.5, 1), ("b", 0.2, 2), ("c", 0.6, 3))
    ]
    config = PrimaryConfig(**CLAIM | {"compare": ("a", "b + c")})
    found = primary_result(config, measured, 0)
    alone = [primary_result(PrimaryConfig(**CLAIM | {"compare": ("a", x)}), measured, 0).value
             for x in "bc"]  # fmt: skip
    assert found.value == pytest.approx(np.mean(np.array(alone, float)))
    assert found.b == "b + c"
    assert config.methods == {"a", "b", "c"}
    with pytest.raises(UserError, match=r"evaluate\.primary\.compare: expected a method"):
        primary_result(PrimaryConfig(**CLAIM | {"compare": ("a", "b + d")}), measured, 0)


def test_a_mean_of_methods_may_have_other_numbers_of_seeds() -> None:
    measured = [
        average([predicted(name, signal, split, seed) for seed in seeds], 0)
        for split in ("test", "valid")
        for name, signal, seeds in (("a", 1.5, (1, 2)), ("b", 0.2, (3,)), ("c", 0.6, (4, 5)))
    ]
    found = primary_result(PrimaryConfig(**CLAIM | {"compare": ("a", "b + c")}), measured, 0)
    assert np.mean(found.by_seed) == pytest.approx(found.value)


def test_items_are_resampled_together() -> None:
    measured = entries(1.0, 0.8)
    found = primary_result(PrimaryConfig(**CLAIM, resample="items"), measured, 0)
    a, b, *on_valid = (m.statistic.then(lambda v: v[:, [0]]) for m in measured)
    (same,) = paired(a, b, ITEMS, seed=0)
    assert (found.value, found.low, found.high) == (same.value, same.low, same.high)
    assert found.detectable == DETECTABLE * paired_error(*on_valid, ITEMS, seed=0)
    assert "intervals over 30 items" in found.sentence
    with pytest.raises(ValueError, match="resample: expected users for gAUC"):
        PrimaryConfig(**CLAIM | {"metric": "gAUC", "resample": "items"})
    unknown = [replace(m, items=np.full_like(m.items, -1)) for m in measured]
    with pytest.raises(UserError, match="one item each"):
        primary_result(PrimaryConfig(**CLAIM, resample="items"), unknown, 0)


def test_the_difference_of_each_seed_is_named() -> None:
    measured = [
        average([predicted(name, signal, split, seed) for seed in seeds], 0)
        for split in ("test", "valid")
        for name, signal, seeds in (("a", 1.5, (1, 2)), ("b", 0.2, (3,)))
    ]
    config = PrimaryConfig(**CLAIM, slice="rare")
    found = primary_result(config, measured, 0)
    assert len(found.by_seed) == 2
    assert np.mean(found.by_seed) == pytest.approx(found.value)
    assert f"2 seeds: {min(found.by_seed):+.4f} to {max(found.by_seed):+.4f}." in found.sentence


def test_a_claim_about_a_slice() -> None:
    measured = entries(2.5, 0.2)
    assert primary_result(PrimaryConfig(**CLAIM), measured, 0).verdict == "yes"
    found = primary_result(PrimaryConfig(**CLAIM, slice="rare"), measured, 0)
    assert found.verdict == "undecidable here"
    assert "(click, test, slice rare)" in found.sentence
    assert abs(found.value) < 0.2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metric": "auc"}, "evaluate.primary.metric: expected a metric of a, got 'auc'"),
        ({"compare": ("a", "c")}, "expected a method with click predictions on test, got 'c'"),
        ({"slice": "cold"}, "evaluate.primary.slice: expected a slice of click on test"),
        ({"slice": "rare", "metric": "gAUC"}, "expected a metric of a, got 'gAUC'"),
    ],
)
def test_what_was_not_measured_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        primary_result(PrimaryConfig(**CLAIM | changed), entries(1, 0.5), 0)


def test_the_other_comparisons_are_corrected_without_it() -> None:
    measured = [*entries(1.2, 0.8), predicted("c", 0.4, "test", 3), predicted("d", 0.2, "test", 4)]
    pairs = [("a", "b"), ("a", "c"), ("a", "d")]
    found = comparisons(measured, pairs, 0, PrimaryConfig(**CLAIM))
    areas = [one for one in found if (one.metric, one.split) == ("AUC", "test")]
    assert [(one.b, one.family_size) for one in areas] == [("c", 2), ("d", 2)]
    losses = [one for one in found if (one.metric, one.split) == ("log loss", "test")]
    assert [(one.b, one.family_size) for one in losses] == [("b", 3), ("c", 3), ("d", 3)]


def test_relative_improvement_of_areas() -> None:
    a, b, *_ = entries(1.5, 0.5)
    ours, theirs = (m.method.metrics["AUC"].value for m in (a, b))
    found, turned = compare(a, b, "AUC", 0), compare(b, a, "AUC", 0)
    assert found.rela_impr == pytest.approx((ours - 0.5) / (theirs - 0.5) - 1)
    words = f"; RelaImpr {found.rela_impr:+.2%})"
    assert found.sentence.endswith(words)
    assert turned.sentence.endswith(words)  # of the winner
    assert compare(a, b, "log loss", 0).rela_impr is None
