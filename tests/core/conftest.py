"""A store in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core.artefacts import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", notify=lambda _: None, rank=0)
