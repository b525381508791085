"""Shared settings of all tests; makes this folder importable, e.g. ``tiny_models``.

The summary lists every test that took more than its budget of processor time. No test fails by
its time: on a shared processor the count can be ten times that of an idle one.
"""

import os
import signal

import pytest
import torch
from hypothesis import HealthCheck, settings

from p5rec.methods import plugins
from p5rec.methods.registry import METHODS

# small models are slower with a second thread, and the golden curves were recorded with one
os.environ["OMP_NUM_THREADS"] = "1"

# a background job ignores SIGINT, and its children would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["ladder_records", "pytester"]

# seconds of processor time, child processes included
BUDGETS = {"nightly": 240.0, "ladder": 120.0}
BUDGET = 20.0

for name, examples in (("default", 25), ("nightly", 300)):
    settings.register_profile(
        name, max_examples=examples, derandomize=True, deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("nightly" if config.option.markexpr == "nightly" else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds the property tests, with more examples, to the nightly run."""
    if config.option.markexpr == "nightly":
        for item in items:
            if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
                item.add_marker("nightly")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Notes a test that exceeds its budget of processor time."""
    budget = next((BUDGETS[name] for name in BUDGETS if item.get_closest_marker(name)), BUDGET)
    before = os.times()
    result = yield
    spent = sum(os.times()[:4]) - sum(before[:4])
    if spent > budget:
        item.user_properties.append(("over_budget", f"{spent:.0f} s of {budget:.0f} s"))
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists the tests that exceeded their budget."""
    passed = terminalreporter.stats.get("passed", [])
    over = [
        f"{report.nodeid}: {spent}"
        for report in passed
        for name, spent in report.user_properties
        if name == "over_budget" and report.when == "call"
    ]
    if over:
        terminalreporter.section("more processor time than the budget: make smaller, or nightly")
        terminalreporter.write_line("\n".join(over))


@pytest.fixture
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the plugins of the test."""
    monkeypatch.setattr(METHODS, "_targets", dict(METHODS._targets))
    monkeypatch.setattr(plugins, "_IMPORTED", {})


@pytest.fixture
def native_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has instructions for bfloat16, or claims to."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
