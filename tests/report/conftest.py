from collections.abc import Callable

import pytest
from small_reports import entry, four_users, lists_with, report_of

from p5rec.core.types import Corpus, RankedLists
from p5rec.evaluate.schema import Method, Report


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return four_users()


@pytest.fixture(scope="session")
def ranked_at() -> Callable[..., RankedLists]:
    return lists_with


@pytest.fixture(scope="session")
def method() -> Callable[..., Method]:
    return entry


@pytest.fixture(scope="session")
def report() -> Callable[..., Report]:
    return report_of
