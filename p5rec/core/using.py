"""Who needs what of a store: the processes at work, and the run folders made from it."""

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
REPORT = "report.json"  # a run's folder without one is no more


class InUse:
    """The stages that this process reads, noted where others see them for as long as it needs
    them. A store that cannot be written is left as it is.

    Attributes:
        stages: ``name/key`` of each.
    """

    def __init__(self) -> None:
        self.stages: dict[str, None] = {}
        self._file: Path | None = None

    def add(self, root: Path, stage: str) -> None:
        """Notes a stage of the store under ``root``, before it is looked for."""
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
        self._lock = FileLock(file, thread_local=False)  # until we are forgotten
        self._lock.acquire(blocking=False)
        self._file = file
        weakref.finalize(self, _end, file, os.getpid())


def _end(file: Path, process: int) -> None:
    if os.getpid() == process:  # not that of a fork
        with suppress(OSError):
            file.unlink()


def in_use(root: Path) -> set[str]:
    """``name/key`` of the stages that living processes read."""
    found: set[str] = set()
    for path in (root / RUNNING).glob(".*.lock"):
        with suppress(FileNotFoundError):  # it ends just now
            found |= set(path.read_text(encoding="utf-8").split()) if held(path) else set()
    return found


def runs_file(root: Path, folder: Path) -> Path:
    """Where the store under ``root`` notes what the run in ``folder`` was made of."""
    name = blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()
    return root / RUNS / f"{name}.json"


def read_runs(root: Path) -> dict[Path, tuple[str, list[str]]]:
    """File of a noted run → its folder and its stages (``name/key``)."""
    found = {}
    for path in sorted((root / RUNS).glob("*.json")):
        with suppress(OSError, ValueError, KeyError):
            noted = json.loads(path.read_text(encoding="utf-8"))
            found[path] = (str(noted["folder"]), list(noted["stages"]))
    return found
