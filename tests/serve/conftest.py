"""A served model of a small shop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "api"))
from small_shop import shop

import p5rec
from p5rec.serve.model_tools import ServedModel


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def data(home: None) -> p5rec.Dataset:
    return shop().split("leave-one-out")


@pytest.fixture
def served(data: p5rec.Dataset, tmp_path: Path) -> ServedModel:
    """EASE over the shop, its people in a new folder."""
    p5rec.Ease(l2=10.0).fit(data, verbose=False).save(tmp_path / "ease")
    return ServedModel(p5rec.load(tmp_path / "ease", data), data)
