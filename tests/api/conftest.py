"""Models fitted to a small shop's log, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_shop import SMALL, shop

import p5rec


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def train(home: None) -> p5rec.Dataset:
    return shop().split("leave-one-out")


@pytest.fixture(scope="session")
def ease(train: p5rec.Dataset) -> p5rec.Model:
    return p5rec.Ease(l2=10.0).fit(train, verbose=False)


@pytest.fixture(scope="session")
def hybrid(train: p5rec.Dataset) -> p5rec.Model:
    return p5rec.Hybrid(**SMALL).fit(train, verbose=False)
