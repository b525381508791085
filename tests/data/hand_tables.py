"""Helpers that write tables and read them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from p5rec.core.errors import UserError
from p5rec.data.config import DataConfig
from p5rec.data.reading import read_log

HEAD = "user,item,time,name\n"


def log(names: list[str], users: int = 10) -> str:
    """A log of ``users`` users with six events each; the column of names is not used."""
    rows = [
        f"u{n // 6},i{n % 7},{1_600_000_000 + n},{names[n % len(names)]}" for n in range(6 * users)
    ]
    return HEAD + "\n".join(rows) + "\n"


def refused(call: Any, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        call()
    (line,) = caught.value.lines
    assert "\n" not in line
    for word in words:
        assert word in line
    return line


def table(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def events(path: Path, **more: Any) -> int:
    return len(read_log(DataConfig(source="table", path=str(path), **more)).events)
