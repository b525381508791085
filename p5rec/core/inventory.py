"""The entries of a store: their sizes, their uses, and their removal."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from .locks import held, try_lock
from .using import REPORT, RUNNING, in_use, read_runs
from .working import MANIFEST, missing

FINISHED, DAMAGED, UNFINISHED, LEFT = "finished", "damaged", "unfinished", "left over"


@dataclass(frozen=True)
class Entry:
    """A folder or file of the store.

    Attributes:
        path: the folder or file.
        stage: the stage that it belongs to.
        key: the key of the stage; ``""`` if it belongs to no stage.
        state: ``finished``; ``damaged`` (files are missing or truncated); ``unfinished`` (a
            working folder, from which a training can resume); ``left over``.
        size: bytes.
        used: time of creation or last use, seconds since 1970.
        command: the command that computed it, if known.
        runs: folders of the runs that use it.
    """

    path: Path
    stage: str
    key: str
    state: str
    size: int
    used: float
    command: str = ""
    runs: tuple[str, ...] = ()


def entries(root: Path) -> list[Entry]:
    """All entries of the store under ``root``, least recently used first."""
    manifests = {
        f"{path.parent.parent.name}/{path.parent.name}": _manifest(path)
        for path in root.glob(f"[!.]*/[!.]*/{MANIFEST}")
    }
    runs = _runs_by_stage(root, manifests)
    listing = []
    for path in sorted(root.glob("[!.]*/*")):
        name = f"{path.parent.name}/{path.name}"
        manifest = manifests.get(name, {})
        with suppress(FileNotFoundError):  # another process has just moved it
            listing.append(
                Entry(
                    path, path.parent.name, path.name.lstrip(".").split(".")[0], _state(path),
                    size_of(path), (path / MANIFEST if manifest else path).stat().st_mtime,
                    manifest.get("command", ""), tuple(runs.get(name, ())),
                )
            )  # fmt: skip
    listing += [
        Entry(path, path.parent.name, "", LEFT, size_of(path), path.stat().st_mtime)
        for path in _stale_records(root)
    ]
    return sorted(listing, key=lambda entry: entry.used)


def _stale_records(root: Path) -> Iterator[Path]:
    """Records of ended processes and of runs whose folder no longer exists."""
    for path in (root / RUNNING).glob(".*.lock"):
        if not held(path) and path.exists():
            yield path
    for path, (folder, _) in read_runs(root).items():
        if not (Path(folder) / REPORT).is_file():
            yield path


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _state(path: Path) -> str:
    if path.suffix == ".work":
        return UNFINISHED
    if path.name.startswith("."):
        return LEFT
    return DAMAGED if missing(path) else FINISHED


def _runs_by_stage(root: Path, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Stage → the folders of the runs that use it, directly or as an upstream stage."""
    named = {name.split("/")[1]: name for name in manifests}
    runs: dict[str, list[str]] = {}
    for folder, stages in read_runs(root).values():
        if not (Path(folder) / REPORT).is_file():
            continue
        todo, seen = list(stages), set()
        while todo:
            if (stage := todo.pop()) in seen:
                continue
            seen.add(stage)
            inputs = manifests.get(stage, {}).get("inputs", {}).values()
            todo += [named[key] for key in inputs if key in named]
        for stage in seen:
            runs.setdefault(stage, []).append(folder)
    return runs


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        with suppress(OSError):  # another process may remove it
            total += file.stat().st_size if file.is_file() else 0
    return total


def remove(entry: Entry, root: Path) -> bool:
    """Removes ``entry`` from the store by one rename, then deletes its files.

    Returns:
        False if a living process computes or reads the entry; then nothing is removed.
    """
    if not entry.key:
        entry.path.unlink(missing_ok=True)
        done = True
    elif entry.path.suffix == ".lock":
        done = not held(entry.path)
    else:
        with try_lock(entry.path.with_name(f".{entry.key}.lock")) as free:
            done = free and f"{entry.stage}/{entry.key}" not in in_use(root)
            if done:
                gone = entry.path.with_name(f".{entry.key}.{uuid4().hex[:8]}.gone")
                os.replace(entry.path, gone)
                shutil.rmtree(gone)
    with suppress(OSError):  # not empty
        entry.path.parent.rmdir()
    return done
