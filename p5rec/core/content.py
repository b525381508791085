"""Hashes of the content of folders, which two computations of one result share.

Left out are manifests; the times that a computation took, which are entries of JSON files whose
names end like ``seconds``; the keys of stages that a report names; and pages that print times.
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

LEFT_OUT = re.compile(r"(^|_)(seconds|runtime)$|_per_second$|^artefacts$")
PAGES = ("report.html", "report.md")  # rendered from report.json, with times in their text
LINES, ONE = ".jsonl", ".json"


def content_hash(folder: Path) -> str:
    """SHA-256 of the files under ``folder``, without what the module leaves out.

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
    kept = sha256()
    for text in _texts(path):
        value = _kept(json.loads(text))
        kept.update(json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return kept.hexdigest()


def _texts(path: Path) -> Iterator[str]:
    """The JSON texts in a file."""
    if path.suffix == ONE:
        yield path.read_text(encoding="utf-8")
        return
    with open(path, encoding="utf-8") as lines:
        yield from lines


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _kept(own) for k, own in value.items() if not LEFT_OUT.search(k)}
    return [_kept(own) for own in value] if isinstance(value, list) else value
