"""Lock files are there only as long as somebody holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from p5rec.core.locks import alone, held


def test_the_file_is_there_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "below" / "a.lock"
    with alone(path):
        assert held(path)
    assert not path.exists()
    assert not held(path)


@pytest.mark.parametrize("taken", [True, False])
def test_an_interrupt_on_the_way_in_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    path, acquire, calls = tmp_path / "a.lock", FileLock.acquire, []

    def stopped(self: FileLock, *args: Any, **options: Any) -> Any:
        calls.append(self)
        if len(calls) > 1:
            return acquire(self, *args, **options)
        acquire(self, *args, **options) if taken else path.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(FileLock, "acquire", stopped)
    with pytest.raises(KeyboardInterrupt), alone(path):
        pytest.fail("it was interrupted before")
    assert not path.exists()
