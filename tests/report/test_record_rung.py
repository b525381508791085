"""Rungs from reports: primary comparisons, named ones, detectable differences."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p5rec.core.errors import UserError
from p5rec.evaluate.schema import Comparison, Primary

ROOT = Path(__file__).parents[2]
MEASURED = runpy.run_path(str(ROOT / "scripts" / "record_rung.py"))["measured"]
NAMED = {"compare": ["a", "b"], "task": "click", "metric": "AUC"}


def comparison(low: float, high: float, **changes: Any) -> Comparison:
    fields = {"a": "a", "b": "b", "task": "click", "split": "test", "metric": "AUC", **changes}
    return Comparison(value=(low + high) / 2, low=low, high=high, sentence="", **fields)


def report(*comparisons: Comparison, primary: Primary | None = None) -> Any:
    return SimpleNamespace(comparisons=comparisons, primary=primary)


@pytest.mark.parametrize(
    ("low", "high", "changes", "passed"),
    [
        (0.1, 0.2, {}, True),
        (-0.1, 0.2, {}, False),
        (-0.2, -0.1, {}, False),
        (0.1, 0.2, {"verdict": "better"}, True),
        (0.1, 0.2, {"verdict": "no difference shown"}, False),  # after the correction
    ],
)
def test_a_named_comparison(low: float, high: float, changes: dict[str, Any], passed: bool) -> None:
    found = MEASURED(report(comparison(low, high, **changes)), NAMED)
    assert found["passed"] == passed
    assert (found["low"], found["high"], found["detectable"]) == (low, high, None)


def test_a_lower_error_passes() -> None:
    named = {**NAMED, "metric": "RMSE"}
    assert MEASURED(report(comparison(-0.2, -0.1, metric="RMSE")), named)["passed"]
    assert not MEASURED(report(comparison(0.1, 0.2, metric="RMSE")), named)["passed"]


def test_the_detectable_difference_is_that_of_validation() -> None:
    valid = comparison(0.0, 3.92, split="valid")  # one standard error is 1
    found = MEASURED(report(comparison(0.1, 0.2), valid), NAMED)
    assert found["detectable"] == pytest.approx(2.8)


def test_the_primary_comparison() -> None:
    primary = Primary(
        a="a", b="b", task="click", metric="AUC", value=0.1, low=0.05, high=0.15, p=0.01,
        users=10, detectable=0.02, valid_users=10, verdict="yes", sentence="",
    )  # fmt: skip
    found = MEASURED(report(comparison(-1, 1), primary=primary), {})
    assert found == {
        "passed": True, "metric": "AUC", "value": 0.1, "low": 0.05, "high": 0.15,
        "detectable": 0.02,
    }  # fmt: skip


def test_a_missing_comparison_is_an_error() -> None:
    with pytest.raises(UserError, match="expected a primary comparison, got none"):
        MEASURED(report(), {})
    with pytest.raises(UserError, match=r"got a \| b \| click \| AUC"):
        MEASURED(report(), NAMED)
