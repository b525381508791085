"""The users of a store's stages: running processes and run folders."""

from __future__ import annotations

import json
import os
import weakref
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from .locks import held

RUNNING, RUNS = ".running", ".runs"  # under a store's root
REPORT = "report.json"  # a run folder without it no longer counts


class InUse:
    """Records the stages that this process reads, visible to other processes while it runs.

    A read-only store gets no record.

    Attributes:
        stages: ``name/key`` of each stage.
    """

    def __init__(self) -> None:
        self.stages: dict[str, None] = {}
        self._file: Path | None = None

    def add(self, root: Path, stage: str) -> None:
        """Records a stage of the store under ``root``, before the store is searched for it."""
        if stage in self.stages:
            return
        self.stages[stage] = None
        with suppress(OSError):
            if self._file is None:
                self._begin(root / RUNNING / f".{os.getpid()}-{uuid4().hex[:8]}.lock")
            if self._file is not None:
                with open(self._file, "a", encoding="utf-8") as handle:
                    handle.write(stage + "\n")

    def _begin(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(file, thread_local=False)  # released when the object is collected
        self._lock.acquire(blocking=False)
        self._file = file
        weakref.finalize(self, _end, file, os.getpid())


def _end(file: Path, process: int) -> None:
    if os.getpid() == process:  # not in a forked child
        with suppress(OSError):
            file.unlink()


def in_use(root: Path) -> set[str]:
    """``name/key`` of the stages that living processes read."""
    stages: set[str] = set()
    for path in (root / RUNNING).glob(".*.lock"):
        with suppress(FileNotFoundError):  # the process has just ended
            stages |= set(path.read_text(encoding="utf-8").split()) if held(path) else set()
    return stages


def runs_file(root: Path, folder: Path) -> Path:
    """The file in which the store under ``root`` records the stages of the run in ``folder``."""
    name = blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()
    return root / RUNS / f"{name}.json"


def read_runs(root: Path) -> dict[Path, tuple[str, list[str]]]:
    """Record file → the folder of the run and its stages (``name/key``)."""
    runs = {}
    for path in sorted((root / RUNS).glob("*.json")):
        with suppress(OSError, ValueError, KeyError):
            run = json.loads(path.read_text(encoding="utf-8"))
            runs[path] = (str(run["folder"]), list(run["stages"]))
    return runs
