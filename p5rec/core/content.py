"""Hashes of the content of folders, which two computations of one result share.

Manifests, and the times that a computation took, are left out: entries of JSON files whose names
end like ``seconds``, and the pages that print them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from .artefacts import file_sha256
from .paths import files_in
from .working import MANIFEST

TIMES = re.compile(r"(^|_)(seconds|runtime)$|_per_second$")
PAGES = ("report.html", "report.md")  # rendered from report.json, with times in their text
LINES, ONE = ".jsonl", ".json"


def content_hash(folder: Path) -> str:
    """SHA-256 of the files under ``folder``, without manifests, pages and times.

    Raises:
        UserError: see :func:`.artefacts.read_json`.
    """
    whole = sha256()
    for name, path in sorted(files_in(folder).items()):
        if path.name in (MANIFEST, *PAGES) or path.name.startswith("."):
            continue
        whole.update(f"{name}\0{_hash(path)}\n".encode())
    return whole.hexdigest()


def _hash(path: Path) -> str:
    if path.suffix not in (LINES, ONE):
        return file_sha256(path)
    untimed = sha256()
    for text in _texts(path):
        value = _untimed(json.loads(text))
        untimed.update(json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return untimed.hexdigest()


def _texts(path: Path) -> Iterator[str]:
    """The JSON texts in a file."""
    if path.suffix == ONE:
        yield path.read_text(encoding="utf-8")
        return
    with open(path, encoding="utf-8") as lines:
        yield from lines


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _untimed(own) for k, own in value.items() if not TIMES.search(k)}
    return [_untimed(own) for own in value] if isinstance(value, list) else value
