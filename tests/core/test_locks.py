"""Lock files exist only while a process holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from p5rec.core.locks import exclusive_lock, held


def test_the_file_exists_while_the_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.lock"
    with exclusive_lock(path):
        assert held(path)
    assert not path.exists()
    assert not held(path)


@pytest.mark.parametrize("acquired", [True, False])
def test_an_interrupt_while_acquiring_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acquired: bool
) -> None:
    path, acquire, calls = tmp_path / "a.lock", FileLock.acquire, []

    def stopped(self: FileLock, *args: Any, **options: Any) -> Any:
        calls.append(self)
        if len(calls) > 1:
            return acquire(self, *args, **options)
        acquire(self, *args, **options) if acquired else path.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(FileLock, "acquire", stopped)
    with pytest.raises(KeyboardInterrupt), exclusive_lock(path):
        pytest.fail("it was interrupted before")
    assert not path.exists()
