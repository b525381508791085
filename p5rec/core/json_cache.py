"""A JSON file that caches plain data between processes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from .atomic import atomic_write


class JsonCache:
    """One value per name, valid for one key.

    The file may be missing, damaged or read-only; values are then computed again. If several
    processes write it, the last one wins.

    Args:
        path: the file.
        version: the version of the code that computes the values; other versions are not read.
    """

    def __init__(self, path: Path, version: str) -> None:
        self.path, self.version, self._changed = path, version, False
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            valid = saved["version"] == version
            self.values: dict[str, Any] = dict(saved["values"]) if valid else {}
        except (OSError, ValueError, KeyError, TypeError):
            self.values = {}

    def get(self, name: str, key: str) -> Any | None:
        """The value of ``name`` if it was cached under ``key``, otherwise None."""
        entry = self.values.get(name)
        return entry[1] if entry and entry[0] == key else None

    def put(self, name: str, key: str, value: Any) -> None:
        """Caches ``value`` under ``key`` and drops the value of ``name`` under another key."""
        self.values[name], self._changed = (key, value), True

    def save(self) -> None:
        """Writes the file atomically if a value changed."""
        if not self._changed:
            return
        self._changed = False
        with suppress(OSError), atomic_write(self.path) as handle:
            json.dump({"version": self.version, "values": self.values}, handle)
