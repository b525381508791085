"""Atomic publishing of outputs into a user's folder: all of them, or none.

The outputs are staged in a hidden folder inside the target and then moved to their paths. Existing
outputs are moved aside first and deleted last. If a command is killed in between, the next command
that writes to the folder rolls the moves back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import ENOTDIR
from pathlib import Path
from tempfile import mkdtemp

from .artefacts import read_json, write_json, writing
from .errors import input_error
from .locks import exclusive_lock, print_waiting

WORK = ".publishing-"  # prefix of the staging folder
LOCK = ".publishing.lock"
JOURNAL = "moves.json"  # exists while outputs are moved: the paths to roll back after a kill
LINKED = (".safetensors",)  # suffixes of large files, which are never written in place


def publish_outputs(sources: Mapping[str, Path | Mapping[str, Path]], out: Path) -> None:
    """Copies files and folders into ``out``: all of them, or none if one write fails.

    Weight files become read-only hard links to their source if the file system supports links;
    other files are copied.

    Args:
        sources: path under ``out`` → its source: a file, a folder, or the files of a folder by
            their path in it. An existing output at that path is replaced; other files in ``out``
            stay.
        out: a folder; it is created if missing.

    Raises:
        UserError: the disk is full or not writable; or a path, or a link at it, leads out of
            ``out``.
    """
    new = not out.exists()
    with writing(out):
        try:
            _check_inside(sources, out)
            if new:
                out.mkdir(parents=True, exist_ok=True)
            elif not out.is_dir():
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
            with exclusive_lock(
                out / LOCK, print_waiting(f"{out}: another command is writing there")
            ):
                _recover(out)
                work = Path(mkdtemp(prefix=WORK, dir=out))
                try:
                    for path, source in sources.items():
                        copy_or_link(source, work / "new" / path)
                    _move(list(sources), work, out)
                finally:
                    if not (work / JOURNAL).exists():  # else the next command rolls back
                        shutil.rmtree(work, ignore_errors=True)
        finally:
            if new and not any(path.is_file() for path in out.rglob("*")):
                shutil.rmtree(out, ignore_errors=True)


def _check_inside(paths: Iterable[str], out: Path) -> None:
    root = out.resolve()
    for path in paths:
        parent = (root / path).parent.resolve()
        plain = Path(path).name and ".." not in Path(path).parts
        if not plain or not parent.is_relative_to(root):
            raise input_error(
                out, "outputs inside this folder", f"one at {path!r}, which leads out of it",
                "rename it, or remove the link there",
            )  # fmt: skip


def copy_or_link(source: Path | Mapping[str, Path], target: Path) -> None:
    """Copies ``source`` to ``target``, which must not exist; links weight files."""
    if isinstance(source, Path) and not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix not in LINKED or not _link(source, target):
            shutil.copy2(source, target)
        return
    inner = {path.name: path for path in source.iterdir()} if isinstance(source, Path) else source
    target.mkdir(parents=True, exist_ok=True)
    for name, path in inner.items():
        copy_or_link(path, target / name)


def _link(source: Path, target: Path) -> bool:
    """Hard-links ``target`` to ``source``; returns whether that worked."""
    try:
        os.link(source, target)
    except OSError:  # another disk, another owner, or no support for links
        return False
    with suppress(OSError):
        os.chmod(target, target.stat().st_mode & ~0o222)  # an edit would change both names
    return True


def _move(paths: list[str], work: Path, out: Path) -> None:
    """Moves existing outputs to ``work/old`` and the new ones from ``work/new`` to ``out``."""
    write_json(work / JOURNAL, paths)
    try:
        for path in paths:
            if os.path.lexists(out / path):
                _rename(out / path, work / "old" / path)
            _rename(work / "new" / path, out / path)
    except BaseException:
        _roll_back(work, out)
        raise
    (work / JOURNAL).unlink()


def _roll_back(work: Path, out: Path) -> None:
    """Undoes an incomplete :func:`_move`."""
    for path in read_json(work / JOURNAL):
        old = work / "old" / path
        if os.path.lexists(out / path) and not os.path.lexists(work / "new" / path):
            _rename(out / path, work / "new" / path)
        if os.path.lexists(old):
            _rename(old, out / path)
    (work / JOURNAL).unlink()


def _recover(out: Path) -> None:
    """Rolls back the moves of a killed command."""
    for work in out.glob(f"{WORK}*"):
        if (work / JOURNAL).is_file():
            _roll_back(work, out)
        shutil.rmtree(work, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
