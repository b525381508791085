"""Checkpoints of a run: each is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from p5rec.core.artefacts import writing

KEPT = 2
WRITING = ".writing"  # where the next one is made, beside the finished ones
RUN = "run.json"  # of a checkpoint: how it was launched, and what its losses were


def finished(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, the newest last."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))


@contextmanager
def appearing(folder: Path, writes: bool, wait: Callable[[], None]) -> Iterator[None]:
    """What is made in ``folder/.writing`` meanwhile appears in ``folder`` by one rename.

    Its files are on the disk by then, and older checkpoints go only afterwards, so at any moment
    a killed process, a dead machine or a full disk leaves the last good one.

    Args:
        writes: whether this process is the one that renames and removes.
        wait: returns when all processes have called it.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    work = folder / WRITING
    if writes:
        shutil.rmtree(work, ignore_errors=True)
    wait()
    try:
        with writing(folder):  # asks whether the disk is full before what fills it is removed
            yield
            wait()
            if writes:
                _show(work, folder)
    finally:
        if writes:
            shutil.rmtree(work, ignore_errors=True)


def _show(work: Path, folder: Path) -> None:
    for path in (*work.rglob("*"), work):
        _sync(path)
    for made in work.iterdir():
        os.replace(made, folder / made.name)
    _sync(folder)
    for old in finished(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
