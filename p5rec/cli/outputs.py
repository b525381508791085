"""Places to write to, looked at before the work that ends there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from p5rec.core.errors import Refused, input_error


def check_folder(out: Path) -> None:
    """Whether files can be written into ``out``, which need not be there.

    Raises:
        UserError: it is a file, or lies where nothing can be made.
    """
    if out.exists() and not out.is_dir():
        raise input_error(out, "a folder to write to", "a file", "name another place")
    _check_writable(out)


def check_file(out: Path, endings: Sequence[str] = ()) -> None:
    """Whether the file ``out`` can be written.

    Args:
        endings: of which its name must have one; none: it may have any.

    Raises:
        UserError: it is a folder, has another ending, or lies where nothing can be made.
    """
    if out.is_dir():
        raise input_error(out, "a file to write to", "a folder", "name a file")
    if endings and out.suffix.lower() not in endings:
        got = repr(out.suffix) if out.suffix else "no ending"
        raise input_error(out, " or ".join(endings), got, "change the file's ending")
    _check_writable(out.absolute().parent)


def _check_writable(folder: Path) -> None:
    above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not above.is_dir():
        raise Refused(folder, f"a file at {above}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise Refused(folder, "a folder that may not be written to")
