from collections.abc import Callable

import pytest
from small_reports import four_users, lists_with

from p5rec.core.types import Corpus, RankedLists


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return four_users()


@pytest.fixture(scope="session")
def ranked_at() -> Callable[..., RankedLists]:
    return lists_with
