"""Results into a folder of the user's: all of them, or none.

They are put together in a hidden folder inside the target, then moved to their places; what stood
there is moved aside first and deleted last. Whatever ends a command in between, the next one that
writes there finds what was moved aside and puts it back.
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
from .locks import alone, say_waiting

WORK = ".publishing-"  # and a word of its own: new results on their way to their places
LOCK = ".publishing.lock"
PLACES = "places.json"  # there while results are moved: what to put back after a kill
LINKED = (".safetensors",)  # endings of the large files, which are never written in place


def lay_out(sources: Mapping[str, Path | Mapping[str, Path]], out: Path) -> None:
    """Puts files and folders into ``out``: all of them, or none if the disk refuses one.

    Weights are hard links to their source, made read-only, where the file system has such links;
    everything else is copied.

    Args:
        sources: place under ``out`` → what to put there: a file, a folder, or the files of a folder
            by their path in it. What an earlier call put at that place is replaced, everything else
            in ``out`` stays.
        out: a folder, made if it is not there.

    Raises:
        UserError: the disk is full, or does not let us write there; or a place, or a link at it,
            leads out of ``out``.
    """
    new = not out.exists()
    with writing(out):
        try:
            _check_inside(sources, out)
            if new:
                out.mkdir(parents=True, exist_ok=True)
            elif not out.is_dir():
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
            with alone(out / LOCK, say_waiting(f"{out}: another command is writing there")):
                _recover(out)
                work = Path(mkdtemp(prefix=WORK, dir=out))
                try:
                    for place, source in sources.items():
                        bring(source, work / "new" / place)
                    _move(list(sources), work, out)
                finally:
                    if not (work / PLACES).exists():  # else it holds what is to be put back
                        shutil.rmtree(work, ignore_errors=True)
        finally:
            if new and not any(path.is_file() for path in out.rglob("*")):
                shutil.rmtree(out, ignore_errors=True)


def _check_inside(places: Iterable[str], out: Path) -> None:
    root = out.resolve()
    for place in places:
        parent = (root / place).parent.resolve()
        plain = Path(place).name and ".." not in Path(place).parts
        if not plain or not parent.is_relative_to(root):
            raise input_error(
                out, "results that stay in this folder", f"one at {place!r}, which leads out of it",
                "rename it, or remove the link there",
            )  # fmt: skip


def bring(source: Path | Mapping[str, Path], target: Path) -> None:
    """A copy of ``source`` at ``target``, which is not there yet."""
    if isinstance(source, Path) and not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix not in LINKED or not _link(source, target):
            shutil.copy2(source, target)
        return
    inner = {path.name: path for path in source.iterdir()} if isinstance(source, Path) else source
    target.mkdir(parents=True, exist_ok=True)
    for name, path in inner.items():
        bring(path, target / name)


def _link(source: Path, target: Path) -> bool:
    """Whether ``target`` is now another name of the file ``source``."""
    try:
        os.link(source, target)
    except OSError:  # another disk, another owner, a file system without links
        return False
    with suppress(OSError):
        os.chmod(target, target.stat().st_mode & ~0o222)  # one file: what edits it edits both
    return True


def _move(places: list[str], work: Path, out: Path) -> None:
    """What is in ``work/new`` to its places, what was there into ``work/old``."""
    write_json(work / PLACES, places)
    try:
        for place in places:
            if os.path.lexists(out / place):
                _rename(out / place, work / "old" / place)
            _rename(work / "new" / place, out / place)
    except BaseException:
        _put_back(work, out)
        raise
    (work / PLACES).unlink()


def _put_back(work: Path, out: Path) -> None:
    """Undoes a :func:`_move` that did not come to its end."""
    for place in read_json(work / PLACES):
        old = work / "old" / place
        if os.path.lexists(out / place) and not os.path.lexists(work / "new" / place):
            _rename(out / place, work / "new" / place)
        if os.path.lexists(old):
            _rename(old, out / place)
    (work / PLACES).unlink()


def _recover(out: Path) -> None:
    """Puts back what a command that was killed had moved aside."""
    for work in out.glob(f"{WORK}*"):
        if (work / PLACES).is_file():
            _put_back(work, out)
        shutil.rmtree(work, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
