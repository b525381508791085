"""Rungs that the tests of a system record."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.report.rungs import collected

TESTS = """
import pytest
from p5rec.metrics.intervals import Interval

@pytest.mark.system("x")
@pytest.mark.parametrize("n", [1, 2])
def test_saved_equals_reloaded(n):
    pass

@pytest.mark.system("y")
def test_of_another_system():
    assert False

def test_of_no_system():
    assert False

@pytest.mark.ladder
@pytest.mark.system("x")
def test_planted(check_planted):
    check_planted("it is found", "{metric}", planted=Interval(*{planted}), null=Interval(*{null}))
"""
ZERO = (0.01, -0.1, 0.12)


def configure(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["ladder_records"]')
    pytester.makeini("[pytest]\nmarkers = ladder\n system(name)\naddopts = -p no:cacheprovider")


@pytest.fixture
def outcome(pytester: pytest.Pytester):
    """Runs the tests above with the recorder."""
    configure(pytester)

    def run(metric: str, planted: tuple[float, ...], null: tuple[float, ...]):
        pytester.makepyfile(TESTS.format(metric=metric, planted=planted, null=null))
        return pytester.runpytest_inprocess("--system=x", "--record=results")

    return run


@pytest.mark.parametrize(
    ("metric", "planted", "null", "passed"),
    [
        ("AUC", (0.3, 0.2, 0.4), ZERO, True),
        ("RMSE", (-0.3, -0.4, -0.2), ZERO, True),
        ("RMSE", (0.3, 0.2, 0.4), ZERO, False),  # not found
        ("AUC", ZERO, ZERO, False),
        ("AUC", (0.3, 0.2, 0.4), (0.1, 0.05, 0.15), False),  # found in null data, too
    ],
)
def test_the_rungs_of_one_system(outcome, pytester, metric, planted, null, passed) -> None:
    outcome(metric, planted, null).assert_outcomes(
        passed=2 + passed, failed=1 - passed, deselected=2
    )
    found = collected(Path(pytester.path, "results"))
    assert list(found) == ["x"]
    facts, effect = found["x"]
    assert (facts.rung, facts.passed, facts.value) == ("G0", True, 1)
    assert facts.claim == "saved equals reloaded"
    assert facts.command == effect.command == "scripts/ladder x"
    assert (effect.rung, effect.passed, effect.metric) == ("G1", passed, metric)
    assert (effect.value, effect.low, effect.high) == planted
    assert effect.source["null"] == dict(zip(("value", "low", "high"), null, strict=True))


@pytest.mark.parametrize(("body", "code"), [("assert False", 1), ("pass", 4)])
def test_without_a_measured_effect_nothing_is_recorded(pytester, body: str, code: int) -> None:
    configure(pytester)
    marks = "import pytest\npytestmark = [pytest.mark.ladder, pytest.mark.system('x')]\n"
    pytester.makepyfile(f"{marks}def test_planted():\n    {body}")
    assert pytester.runpytest_inprocess("--record=results").ret == code
    assert collected(Path(pytester.path, "results")) == {}
