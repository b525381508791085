"""A store of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core.artefacts import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", say=lambda _: None, rank=0)
