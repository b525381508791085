"""Files that appear whole or not at all, also if their writer is killed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[Any]:
    """A file handle whose contents appear at ``path`` whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.tmp")  # unique to this writer
    try:
        with open(
            temporary, mode.replace("w", "x"), encoding=None if "b" in mode else "utf-8"
        ) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that its owner alone can read, atomically."""
    with atomic_write(path, "wb") as handle:
        os.fchmod(handle.fileno(), 0o600)
        handle.write(content)


def sweep(path: Path) -> None:
    """Removes the temporary files that killed writers of ``path`` left.

    No process may be writing ``path`` at the time.
    """
    pattern = re.compile(
        rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp"
    )  # the names that atomic_write chooses
    for neighbour in path.parent.iterdir() if path.parent.is_dir() else ():
        if pattern.fullmatch(neighbour.name):
            neighbour.unlink(missing_ok=True)
