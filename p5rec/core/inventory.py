"""What lies in a store, how large it is, who needs it, and how it goes."""

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

from .locks import held, if_free
from .using import REPORT, RUNNING, in_use, read_runs
from .working import MANIFEST, missing

FINISHED, DAMAGED, UNFINISHED, LEFT = "finished", "damaged", "unfinished", "left over"


@dataclass(frozen=True)
class Entry:
    """A folder or file of the store.

    Attributes:
        path: where it is.
        stage: the stage that made it.
        key: of the stage, ``""`` for what is no stage's.
        state: ``finished``; ``damaged`` (files are missing or cut short); ``unfinished`` (a
            working folder, from which a training may go on); ``left over``.
        size: bytes.
        used: when it was made or last of use, in seconds since 1970.
        command: what made it, as far as that is known.
        runs: folders of the runs that it is a part of.
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
    """Everything in the store under ``root``, the least recently used first."""
    manifests = {
        f"{path.parent.parent.name}/{path.parent.name}": _manifest(path)
        for path in root.glob(f"[!.]*/[!.]*/{MANIFEST}")
    }
    runs = _reached(root, manifests)
    found = []
    for path in sorted(root.glob("[!.]*/*")):
        name = f"{path.parent.name}/{path.name}"
        about = manifests.get(name, {})
        with suppress(FileNotFoundError):  # made or dropped just now by somebody else
            found.append(
                Entry(
                    path, path.parent.name, path.name.lstrip(".").split(".")[0], _state(path),
                    size_of(path), (path / MANIFEST if about else path).stat().st_mtime,
                    about.get("command", ""), tuple(runs.get(name, ())),
                )
            )  # fmt: skip
    found += [
        Entry(path, path.parent.name, "", LEFT, size_of(path), path.stat().st_mtime)
        for path in _of_ended(root)
    ]
    return sorted(found, key=lambda entry: entry.used)


def _of_ended(root: Path) -> Iterator[Path]:
    """Notes of processes that have ended and of runs whose folder has gone."""
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


def _reached(root: Path, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Stage → the folders of the runs that it is a part of, or an input of such a part."""
    named = {name.split("/")[1]: name for name in manifests}
    found: dict[str, list[str]] = {}
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
            found.setdefault(stage, []).append(folder)
    return found


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        with suppress(OSError):  # it may go meanwhile
            total += file.stat().st_size if file.is_file() else 0
    return total


def remove(entry: Entry, root: Path) -> bool:
    """Takes ``entry`` out of the store at once, and then from the disk.

    Returns:
        False where a living process makes or reads it; it stays.
    """
    if not entry.key:
        entry.path.unlink(missing_ok=True)
        done = True
    elif entry.path.suffix == ".lock":
        done = not held(entry.path)
    else:
        with if_free(entry.path.with_name(f".{entry.key}.lock")) as free:
            done = free and f"{entry.stage}/{entry.key}" not in in_use(root)
            if done:
                gone = entry.path.with_name(f".{entry.key}.{uuid4().hex[:8]}.gone")
                os.replace(entry.path, gone)
                shutil.rmtree(gone)
    with suppress(OSError):  # not empty
        entry.path.parent.rmdir()
    return done
