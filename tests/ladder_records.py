"""Records the rungs G0 and G1 of a system from its tests.

``@pytest.mark.system("kar")`` makes a test one of a system's exact facts (G0). With
``@pytest.mark.ladder`` it is a test of the planted effect (G1), which calls ``check_planted`` once.
``scripts/ladder kar`` runs the tests of the system and rewrites its files in ``docs/results/kar``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from p5rec.core.artefacts import write_json
from p5rec.evaluate.blocks import LOWER_IS_BETTER
from p5rec.metrics.intervals import Interval
from p5rec.report.rungs import Rung

CheckPlanted = Callable[..., None]
Tests = dict[str, list[pytest.TestReport]]  # the reports of each test


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ladder")
    group.addoption("--system", metavar="NAME", help="only the tests of this system")
    group.addoption("--record", metavar="FOLDER", type=Path, help="write G0.json and G1.json here")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.record is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.option.record))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes the system and the rung of each test, and deselects those of other systems."""
    dropped = []
    for item in items:
        marker = item.get_closest_marker("system")
        if marker is not None:
            rung = "G1" if item.get_closest_marker("ladder") else "G0"
            item.user_properties.append(("rung", [*marker.args, rung]))
        if config.option.system not in (None, marker and marker.args[0]):
            dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.fixture
def check_planted(request: pytest.FixtureRequest) -> CheckPlanted:
    """Asserts that a planted effect is found, and none in null data, and records both."""

    def check(claim: str, metric: str, *, planted: Interval, null: Interval) -> None:
        """
        Args:
            claim: what is found, without a full stop.
            metric: the metric of the differences, such as ``AUC`` or ``RMSE``.
            planted, null: the difference to the control in the planted and in the null data.
        """
        found = {"claim": claim, "metric": metric, **_bounds(planted), "null": _bounds(null)}
        request.node.user_properties.append(("planted", found))
        assert _worst_gain(planted, metric) > 0
        assert _worst_gain(null, metric) <= 0

    return check


def _bounds(interval: Interval) -> dict[str, float]:
    return {name: float(getattr(interval, name)) for name in ("value", "low", "high")}


def _worst_gain(interval: Interval, metric: str) -> float:
    return -interval.high if metric in LOWER_IS_BETTER else interval.low


class Recorder:
    """Writes the rungs of the tests of one session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reports: dict[tuple[str, str], Tests] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "rung":
                tests = self._reports.setdefault(tuple(value), {})  # type: ignore[arg-type]
                tests.setdefault(report.nodeid, []).append(report)

    def pytest_sessionfinish(self) -> None:
        for (system, name), tests in self._reports.items():
            rung = (facts if name == "G0" else planted_effect)(system, tests)
            if rung is not None:
                write_json(self._folder / system / f"{name}.json", asdict(rung))


def facts(system: str, tests: Tests) -> Rung:
    """The rung G0: its claim is the names of the tests."""
    names = sorted({test.partition("[")[0] for test in tests})
    return Rung(
        "G0", _passed(tests), "; ".join(map(_words, names)), "exact facts", len(names), None, None,
        None, f"scripts/ladder {system}", {"tests": names},
    )  # fmt: skip


def planted_effect(system: str, tests: Tests) -> Rung | None:
    """The rung G1: the differences of the one test that measures; None: it failed before.

    Raises:
        pytest.UsageError: no test measures a planted effect, or several do.
    """
    calls = list(_planted(tests))
    if not calls and not _passed(tests):
        return None
    if len(calls) != 1:
        raise pytest.UsageError(
            f"{system}: expected one test that calls check_planted, got {len(calls)}; a system has "
            "one planted effect"
        )
    test, found = calls[0]
    null = found["null"]
    bounds = f"{null['value']:+.4f} [{null['low']:+.4f}, {null['high']:+.4f}]"
    return Rung(
        "G1", _passed(tests), f"{found['claim']} (null data: {bounds})",
        found["metric"], found["value"], found["low"], found["high"], None,
        f"scripts/ladder {system}", {"test": test, "null": null},
    )  # fmt: skip


def _passed(tests: Tests) -> bool:
    return not any(report.failed for reports in tests.values() for report in reports)


def _planted(tests: Tests) -> Iterator[tuple[str, dict[str, Any]]]:
    """Test and measured differences of each call of ``check_planted``."""
    for test, reports in tests.items():
        for name, value in reports[-1].user_properties:
            if name == "planted" and isinstance(value, dict):
                yield test, value


def _words(test: str) -> str:
    """A test's name as a sentence."""
    return test.rpartition("::")[2].removeprefix("test_").replace("_", " ")
