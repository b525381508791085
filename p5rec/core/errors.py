"""The two kinds of failure: the user's, told in one line, and ours, told in a traceback."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_WORDS = ("No space left on device", "Disk quota exceeded")
LEAST_FREE = 2**16  # bytes; a disk with less is full for our purposes


class UserError(Exception):
    """Something the user can mend. The command line prints each line and exits with code 2.

    Args:
        lines: one sentence a fault, each saying what was expected, what was got, what to do.
    """

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentences alone."""
        return [f"{type(self).__name__}: {line}" for line in self.lines]


class Refused(UserError):
    """The disk did not let us write.

    Args:
        place: what was being written.
        reason: a few words, such as "a full disk".
    """

    def __init__(self, place: str | Path, reason: str) -> None:
        todo = "free some space or name another place, then run again"
        super().__init__(f"{place}: expected to write there, got {reason}; {todo}")
        self.reason = reason


def input_error(
    where: str | Path, expected: str, got: str, todo: str, *, line: int | None = None
) -> UserError:
    """The usual sentence: ``where[:line]: expected E, got G; do T``."""
    place = f"{where}:{line}" if line is not None else str(where)
    return UserError(f"{place}: expected {expected}, got {got}; {todo}")


def all_of(*checks: Callable[[], object]) -> None:
    """Runs every check and tells what any of them has to say.

    Raises:
        UserError: the lines of all that raised one.
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
    """A hint that names the nearest known words, or lists them when none is near."""
    options: Sequence[str] = sorted(known)
    near = get_close_matches(name, options, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(word) for word in near) + "?"
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"known: {shown}"


def disk_full(error: BaseException | None, folder: Path | None = None) -> bool:
    """Whether ``error`` comes of a full disk.

    Half the libraries that write for us raise classes of their own for it, and some (numpy,
    torch) say nothing of the cause; there, the disk itself is asked.

    Args:
        error: what was raised.
        folder: where was being written, if that is known.
    """
    disk = shutil.disk_usage(folder) if folder is not None else None
    if disk and disk.total and disk.free < LEAST_FREE:
        return True
    while error is not None:
        said = getattr(error, "errno", None) in FULL or any(w in str(error) for w in FULL_WORDS)
        if said:
            return True
        error = error.__cause__ or error.__context__
    return False
