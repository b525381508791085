"""The folder in which a stage works until its artefact is whole, and who works in it together."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from .errors import Refused, UserError, disk_full
from .locks import alone, held, launch_word

MANIFEST = "manifest.json"
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def missing(folder: Path) -> list[str]:
    """Files of the artefact in ``folder`` that are not there, or not as long as they were made;
    its manifest's name where it was never finished."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return [MANIFEST]
    found = sizes(folder)
    return [name for name, size in files.items() if found.get(name) != size]


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file in ``folder``, by its place there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in files
        if path != folder / MANIFEST
    }


@contextmanager
def working(work: Path, resumable: bool) -> Iterator[None]:
    """The folder to make an artefact in; what an earlier run left stays only to go on from."""
    if not resumable:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if not resumable:
            shutil.rmtree(work, ignore_errors=True)


def together(work: Path) -> AbstractContextManager[None]:
    """Meanwhile the other processes of this launch know that they are to make it with us."""
    return alone(work.with_suffix(f".{launch_word()}.lock"))


def follow(final: Path, work: Path, make: Callable[[Path], object] | None) -> bool:
    """Returns when the first process of our launch has the artefact; launchers end us if it dies.

    Args:
        make: what to do with it when it makes the artefact, and not before.

    Returns:
        Whether there was anything to wait for.
    """
    waited = False
    while missing(final):
        waited = True
        if make is not None and held(work.with_suffix(f".{launch_word()}.lock")):
            make(work)
            make = None
        time.sleep(0.2)
    return waited


def publish(work: Path, final: Path) -> None:
    """Renames ``work`` to ``final``, in place of what is left of an artefact there."""
    old = work.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.replace(final, old)
    os.replace(work, final)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def disk_told(name: str, root: Path) -> Iterator[None]:
    """Tells in one line what the disk refuses while the stage ``name`` is made under ``root``."""
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
    """Why the disk refused a write under ``root``, None where ``error`` says something else."""
    if isinstance(error, UserError):
        return error.reason if isinstance(error, Refused) else None
    if isinstance(error, OSError) and error.errno in REFUSED:
        inside = root in Path(str(error.filename)).parents
        return error.strerror if inside else None
    return "a full disk" if disk_full(error, root if root.exists() else None) else None
