"""The two kinds of failure: user errors, printed as one line, and bugs, printed as a traceback."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_WORDS = ("No space left on device", "Disk quota exceeded")
LEAST_FREE = 2**16  # bytes; a disk with less free space counts as full


class UserError(Exception):
    """An error that the user can fix. The command line prints each line and exits with code 2.

    Args:
        lines: one sentence per error: what was expected, what was got, what to do.
    """

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook prints: the sentences without a traceback."""
        return [f"{type(self).__name__}: {line}" for line in self.lines]


class WriteRefused(UserError):
    """The operating system refused a write.

    Args:
        path: the file or folder to be written.
        reason: a few words, for example "a full disk".
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        todo = "free some space or name another folder, then run again"
        super().__init__(f"{path}: expected to write there, got {reason}; {todo}")
        self.reason = reason


def input_error(
    where: str | Path, expected: str, got: str, todo: str, *, line: int | None = None
) -> UserError:
    """The standard error sentence: ``where[:line]: expected E, got G; do T``."""
    location = f"{where}:{line}" if line is not None else str(where)
    return UserError(f"{location}: expected {expected}, got {got}; {todo}")


def all_of(*checks: Callable[[], object]) -> None:
    """Runs every check and reports all their errors at once.

    Raises:
        UserError: at least one check raised one; it holds the lines of all of them.
    """
    lines: list[str] = []
    for check in checks:
        try:
            check()
        except UserError as error:
            lines += error.lines
    if lines:
        raise UserError(*dict.fromkeys(lines))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint: the known names nearest to ``name``, or the list of known names."""
    options: Sequence[str] = sorted(known)
    near = get_close_matches(name, options, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(word) for word in near) + "?"
    listing = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"known: {listing}"


def disk_full(error: BaseException | None, folder: Path | None = None) -> bool:
    """Whether a full disk caused ``error``.

    Several libraries raise their own exception classes for a full disk, and some (numpy, torch)
    hide the cause. So the free space of the disk is checked as well.

    Args:
        error: the exception.
        folder: the folder that was being written, if known.
    """
    disk = shutil.disk_usage(folder) if folder is not None else None
    if disk and disk.total and disk.free < LEAST_FREE:
        return True
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(w in str(error) for w in FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
