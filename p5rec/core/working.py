"""The working folder of a stage, and the processes of one launch that share it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from .errors import UserError, WriteRefused, disk_full
from .locks import exclusive_lock, held, launch_id

MANIFEST = "manifest.json"
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def missing(folder: Path) -> list[str]:
    """Files of the artefact in ``folder`` that are missing or have the wrong size.

    An unfinished artefact has no manifest; then the result names the manifest.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return [MANIFEST]
    present = sizes(folder)
    return [name for name, size in files.items() if present.get(name) != size]


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file in ``folder``, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in files
        if path != folder / MANIFEST
    }


@contextmanager
def working(work: Path, resumable: bool) -> Iterator[None]:
    """Creates the working folder; only a resumable stage keeps the files of an earlier run."""
    if not resumable:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if not resumable:
            shutil.rmtree(work, ignore_errors=True)


def collective_lock(work: Path) -> AbstractContextManager[None]:
    """While held, tells the other processes of this launch to join the computation."""
    return exclusive_lock(work.with_suffix(f".{launch_id()}.lock"))


def follow(final: Path, work: Path, compute: Callable[[Path], object] | None) -> bool:
    """Waits until rank 0 has published the artefact.

    If rank 0 dies, the launcher stops this process.

    Args:
        final: the folder of the artefact.
        work: its working folder.
        compute: the collective work, run once when rank 0 starts it; None only waits.

    Returns:
        Whether the artefact was missing at first.
    """
    waited = False
    while missing(final):
        waited = True
        if compute is not None and held(work.with_suffix(f".{launch_id()}.lock")):
            compute(work)
            compute = None
        time.sleep(0.2)
    return waited


def publish(work: Path, final: Path) -> None:
    """Renames ``work`` to ``final`` and removes an existing artefact there."""
    old = work.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.replace(final, old)
    os.replace(work, final)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def disk_errors(name: str, root: Path) -> Iterator[None]:
    """Turns write errors of the stage ``name`` under ``root`` into one-line user errors."""
    try:
        yield
    except Exception as error:
        reason = _unwritable(error, root)
        if reason is None:
            raise
        raise UserError(
            f"{name}: expected to write under {root}, got {reason}; "
            "free some space or set P5REC_HOME to another disk, then run again"
        ) from error


def _unwritable(error: Exception, root: Path) -> str | None:
    """The reason of a failed write under ``root``; None if ``error`` has another cause."""
    if isinstance(error, UserError):
        return error.reason if isinstance(error, WriteRefused) else None
    if isinstance(error, OSError) and error.errno in REFUSED:
        inside = root in Path(str(error.filename)).parents
        return error.strerror if inside else None
    return "a full disk" if disk_full(error, root if root.exists() else None) else None
