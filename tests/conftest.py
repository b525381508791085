"""Makes this folder importable, so that every package's tests share ``tiny_models``; how all run.

Every test has a budget of processor time: one that takes more fails, so the suite stays quick.
"""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# models this small lose time to a second thread, and golden curves are drawn by one
os.environ["OMP_NUM_THREADS"] = "1"

# a job in the background starts with Ctrl-C switched off, which its children would inherit
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BUDGET, NIGHTLY_BUDGET = 15.0, 120.0  # seconds of processor time, those of child processes too

for name, examples in (("default", 25), ("nightly", 300)):
    settings.register_profile(
        name, max_examples=examples, derandomize=True, deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("nightly" if config.option.markexpr == "nightly" else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At night property tests run too, with more examples."""
    if config.option.markexpr == "nightly":
        for item in items:
            if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
                item.add_marker("nightly")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Fails a test that took more processor time than its budget; a busy machine is no fault."""
    budget = NIGHTLY_BUDGET if item.get_closest_marker("nightly") else BUDGET
    before = os.times()
    result = yield
    spent = sum(os.times()[:4]) - sum(before[:4])
    if spent > budget:
        pytest.fail(
            f"took {spent:.1f} s of processor time, more than its budget of {budget:.0f} s; make "
            "it smaller or mark it nightly",
            pytrace=False,
        )
    return result
