"""Paths of the shipped prompts, recipes and results and of the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
RESULTS = PACKAGE.parent / "docs" / "results"  # of a clone: a folder for each system
SHIPPED_RUNGS = PACKAGE / "_assets" / "rungs.json"  # of a wheel


def assets(kind: str) -> Path:
    """The folder ``prompts`` or ``recipes``: in the wheel, or beside the package in a checkout."""
    shipped = PACKAGE / "_assets" / kind
    return shipped if shipped.is_dir() else PACKAGE.parent / kind


def cache_home() -> Path:
    """The folder of fetched data, converted models and cached stages; ``P5REC_HOME`` sets it."""
    home = os.environ.get("P5REC_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "p5rec"


def answers_home() -> Path:
    """The folder of the cached answers of endpoints, a file each."""
    return cache_home() / "answers"


def files_in(folder: Path, prefix: str = "") -> dict[str, Path]:
    """The files in ``folder`` and its subfolders, by ``prefix`` and their path in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {prefix + path.relative_to(folder).as_posix(): path for path in files}
