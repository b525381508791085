"""Checks of output paths before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from p5rec.core.errors import WriteRefused, input_error


def check_folder(out: Path) -> None:
    """Checks that files can be written into ``out``, which may be a new folder.

    Raises:
        UserError: it is a file, or is not writable.
    """
    if out.exists() and not out.is_dir():
        raise input_error(out, "a folder to write to", "a file", "name another folder")
    _check_writable(out)


def check_file(out: Path, endings: Sequence[str] = ()) -> None:
    """Checks that the file ``out`` can be written.

    Args:
        out: the file.
        endings: the allowed endings; empty: any.

    Raises:
        UserError: it is a folder, has another ending, or is not writable.
    """
    if out.is_dir():
        raise input_error(out, "a file to write to", "a folder", "name a file")
    if endings and out.suffix.lower() not in endings:
        got = repr(out.suffix) if out.suffix else "no ending"
        raise input_error(out, " or ".join(endings), got, "change the file's ending")
    _check_writable(out.absolute().parent)


def _check_writable(folder: Path) -> None:
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not parent.is_dir():
        raise WriteRefused(folder, f"a file at {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise WriteRefused(folder, "a folder without write permission")
