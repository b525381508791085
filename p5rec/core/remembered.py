"""Plain data that one process remembers for the next: a JSON file that may be lost at any time."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any


class Remembered:
    """A value for each name, valid for one key of it.

    A missing, damaged or unwritable file costs time and nothing else. Of processes that write it at
    once the last one wins.

    Args:
        path: the file.
        version: of whatever computes the values; those of another version are not read.
    """

    def __init__(self, path: Path, version: str) -> None:
        self.path, self.version, self._new = path, version, False
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            self.values: dict[str, Any] = dict(read["values"]) if read["version"] == version else {}
        except (OSError, ValueError, KeyError, TypeError):
            self.values = {}

    def get(self, name: str, key: str) -> Any | None:
        """The value of ``name`` if it was put under ``key``."""
        found = self.values.get(name)
        return found[1] if found and found[0] == key else None

    def put(self, name: str, key: str, value: Any) -> None:
        """Keeps ``value``, in place of what ``name`` had under another key."""
        self.values[name], self._new = (key, value), True

    def save(self) -> None:
        """Writes the file, whole or not at all, if there is anything new."""
        if not self._new:
            return
        self._new = False
        text = json.dumps({"version": self.version, "values": self.values})
        temporary = self.path.with_name(f".{self.path.name}.{token_hex(4)}.tmp")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_text(text, encoding="utf-8")
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)
